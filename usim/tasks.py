"""The queue of calls: collects them, sends them as one batch, and deals out what came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from usim import abi
from usim.calls import BoundCall
from usim.devices import CountKind, Device
from usim.errors import (
    DeviceError,
    DeviceTimeoutError,
    FaultError,
    LockupError,
    MemoryFullError,
    TaskError,
)
from usim.faults import explain_fault
from usim.formatting import format_address
from usim.runtime import DeviceRuntime
from usim.symbols import SymbolTable
from usim.tensor import Tensor

_LONGEST_TEXT_BYTES: Final = 200
_DAMAGING: Final = {
    abi.TaskState.STACK_OVERFLOW,
    abi.TaskState.GUARD_BROKEN,
    abi.TaskState.NULL_WRITE,
}


def longest_queue(args_bytes: int) -> int:
    """How many calls fit an args section, half of which is left for what they are given."""
    return (args_bytes // 2 - abi.BATCH_BYTES) // abi.TASK_BYTES


@dataclass(frozen=True, slots=True)
class Count:
    """A number of cycles or instructions, with its unit and source."""

    value: int
    kind: CountKind

    def __str__(self) -> str:
        return f"{self.value:,} {self.kind}"


class Call:
    """A call that was queued. `count` and `wait` flush the queue."""

    def __init__(self, queue: TaskQueue, bound: BoundCall, function_address: int) -> None:
        self._queue = queue
        self._result: abi.TaskResult | None = None
        self._error: DeviceError | None = None
        self.bound = bound
        self.function_address = function_address

    def wait(self) -> Call:
        """Run what is queued; TaskError if this call failed, DeviceError if it did not run."""
        if not self.is_settled:
            self._queue.flush()
        if self._error:
            raise self._error
        return self

    @property
    def is_settled(self) -> bool:
        """Whether it has run, well or not, or never will."""
        return self._result is not None or self._error is not None

    @property
    def count(self) -> Count:
        """What the call cost on the device: CYCCNT after minus before, the call itself included."""
        self.wait()
        assert self._result is not None
        return Count(self._result.cycles, self._queue.count_kind)

    def settle(self, result: abi.TaskResult) -> None:
        """The queue's answer."""
        self._result = result

    def fail(self, error: DeviceError) -> None:
        """What the queue raised for this very call."""
        self._error = error

    def lose(self, why: str) -> None:
        """The batch ended before this call."""
        self._error = DeviceError(f"{self.bound.function} did not run: {why}")


class _Batch:
    """The args section as it will be written: header, task records, then arguments' data."""

    def __init__(self, base: int, size_bytes: int, capacity: int) -> None:
        self._base = base
        self._size_bytes = size_bytes
        self._data_at = abi.BATCH_BYTES + capacity * abi.TASK_BYTES
        self._data = bytearray()
        self._records: list[abi.TaskRecord] = []
        self._tensors: dict[tuple[int, str, tuple[int, ...]], int] = {}

    def _append(self, data: bytes) -> int:
        self._data += b"\0" * (-len(self._data) % 8)
        address = self._base + self._data_at + len(self._data)
        self._data += data
        return address

    def _tensor_record(self, tensor: Tensor) -> int:
        key = tensor.address, tensor.dtype.str, tensor.shape
        if key not in self._tensors:
            shape = b"".join(extent.to_bytes(8, "little") for extent in tensor.shape)
            layout = abi.TensorLayout(tensor.shape, tensor.dtype)
            self._tensors[key] = self._append(
                abi.pack_tensor(tensor.address, layout, self._append(shape))
            )
        return self._tensors[key]

    def add(self, call: Call) -> bool:
        """Append a call; False (and nothing changed) if it does not fit any more."""
        before, known = len(self._data), dict(self._tensors)
        words = call.bound.words(self._tensor_record)
        block = b"".join(
            word.to_bytes(4, "little") for word in (*words.float_words, *words.core_words)
        )
        guards = [
            tensor.guard_address if isinstance(tensor, Tensor) else 0
            for tensor in call.bound.arguments
        ]
        record = abi.TaskRecord(
            function=call.function_address,
            arguments=self._append(block),
            core_words=len(words.core_words),
            float_words=len(words.float_words),
            returns_status=call.bound.returns_status,
            guards=self._append(b"".join(guard.to_bytes(4, "little") for guard in guards)),
            guard_count=len(guards),
        )
        if self._data_at + len(self._data) > self._size_bytes:
            del self._data[before:]
            self._tensors = known
            return False
        self._records.append(record)
        return True

    def pack(self) -> bytes:
        records = b"".join(record.pack() for record in self._records)
        head = abi.pack_batch_header(len(self._records)) + records
        return head.ljust(self._data_at, b"\0") + bytes(self._data)


def _names(calls: list[Call]) -> str:
    return ", ".join(dict.fromkeys(call.bound.function for call in calls))


class TaskQueue:
    """Calls waiting for the device. One batch is one write, one run and one read."""

    def __init__(
        self, device: Device, runtime: DeviceRuntime, symbols: SymbolTable, length: int
    ) -> None:
        self._device = device
        self._runtime = runtime
        self._symbols = symbols
        self._length = length
        args = device.platform.section("args")
        self._base, self._size_bytes = args.base, args.extents[0].size_bytes
        self._pending: list[Call] = []
        self._batch = self._new_batch()
        # A batch did not come back: core and runtime are in a state that nobody knows.
        self._out_of_order = False
        self.count_kind = device.capabilities.count
        self.timeout_s = 30.0
        self.batches = 0
        self.tasks = 0
        self.workspace_peak_bytes = 0

    def _new_batch(self) -> _Batch:
        return _Batch(self._base, self._size_bytes, self._length)

    def submit(self, bound: BoundCall, function_address: int) -> Call:
        """Queue a call; a full queue or args section is flushed first."""
        call = Call(self, bound, function_address)
        if len(self._pending) >= self._length:
            self.flush()
        if not self._batch.add(call):
            self.flush()
            if not self._batch.add(call):
                raise MemoryFullError(
                    f"the arguments of {bound.function} do not fit section args "
                    f"({self._size_bytes:,} bytes)",
                    section="args",
                    available_bytes=self._size_bytes,
                )
        self._pending.append(call)
        return call

    def discard(self, why: str) -> None:
        """Forget what is queued."""
        for call in self._pending:
            call.lose(why)
        self._pending, self._batch = [], self._new_batch()

    def flush(self) -> None:
        """Run everything that is queued; TaskError for the first call that fails."""
        # A lockup may have taken the memory with it; with nothing to run that is no error.
        if self._out_of_order and (self._pending or self._device.capabilities.survives_lockup):
            try:
                self._device.reset()
            except DeviceError as exc:
                self.discard(str(exc))
                raise
            self._runtime.restore()
            self._out_of_order = False
        if not self._pending:
            return
        calls, batch = self._pending, self._batch
        self._pending, self._batch = [], self._new_batch()
        try:
            self._run(calls, batch)
        except DeviceError as exc:
            index = vars(exc).get("index")
            if index is not None:
                calls[index].fail(exc)
            raise
        finally:
            for call in calls:
                if not call.is_settled:
                    call.lose("its batch ended before it")

    def stage(self) -> int:
        """Write what is queued, to be run by whoever starts the core; the calls are lost here.

        Returns how many calls that are.
        """
        self._device.write(self._base, self._batch.pack())
        count = len(self._pending)
        self.discard("the batch was written to be run without this session")
        return count

    def _run(self, calls: list[Call], batch: _Batch) -> None:
        device = self._device
        self._out_of_order = True  # until the batch has come back
        device.write(self._base, batch.pack())
        device.write_register("pc", self._runtime.start)
        self.batches += 1
        try:
            device.run_until(self._runtime.done, self.timeout_s)
        except DeviceTimeoutError as exc:
            raise self._timed_out(calls) from exc
        except LockupError as exc:
            raise self._locked_up(calls, exc) from exc
        result = self._read_back(calls)
        if result is None:
            raise self._overwritten(calls)
        if result.faulted:
            raise self._faulted(calls, result)
        states = {task.state for task in result.tasks}
        # After a write to where none belongs, more may have been written than was noticed.
        self._out_of_order = bool(states & _DAMAGING)
        if result.current < len(calls):
            raise self._failed(calls, result)

    def _read_back(self, calls: list[Call]) -> abi.BatchResult | None:
        """Settle the calls that are done. None if a task has written over the records."""
        size = abi.BATCH_BYTES + len(calls) * abi.TASK_BYTES
        result = abi.unpack_batch(self._device.read(self._base, size), len(calls))
        if result is None:
            return None
        for call, task in zip(calls, result.tasks, strict=True):
            if task.state is abi.TaskState.DONE:
                call.settle(task)
                self.tasks += 1
        self.workspace_peak_bytes = max(self.workspace_peak_bytes, result.workspace_peak_bytes)
        return result

    def _running(self, calls: list[Call]) -> tuple[int | None, str]:
        """The task that runs, and how messages call it; none if the records don't tell."""
        result = self._read_back(calls)
        if result is None:
            return None, f"a task of {_names(calls)}"
        index = min(result.current, len(calls) - 1)
        return index, f"task {index} ({calls[index].bound.function})"

    def _timed_out(self, calls: list[Call]) -> DeviceTimeoutError:
        index, task = self._running(calls)
        pc = self._device.read_register("pc")
        return DeviceTimeoutError(
            f"{task} did not end within {self.timeout_s:g} s; pc {self._symbols.describe(pc)}",
            index=index,
            function=calls[index].bound.function if index is not None else None,
            pc=pc,
            timeout_s=self.timeout_s,
        )

    def _locked_up(self, calls: list[Call], cause: LockupError) -> LockupError:
        if self._device.capabilities.survives_lockup:
            index, task = self._running(calls)
        else:
            index, task = None, f"a task of {_names(calls)}"
        pc = vars(cause).get("pc", 0)
        where = self._symbols.describe(pc)
        return LockupError(f"{task}: {cause}; pc {where}", index=index, pc=pc)

    def _overwritten(self, calls: list[Call]) -> TaskError:
        index = 0 if len(calls) == 1 else None
        return TaskError(
            f"a task of {_names(calls)} wrote over the task records in section args "
            f"({format_address(self._base)}); none of them counts as run",
            index=index,
            function=calls[0].bound.function if index == 0 else None,
            status=None,
            last_error="",
        )

    def _faulted(self, calls: list[Call], result: abi.BatchResult) -> FaultError:
        index = min(result.current, len(calls) - 1)
        function = calls[index].bound.function
        fault = self._runtime.read_fault()
        text = explain_fault(
            fault,
            self._device.platform,
            self._symbols,
            exact_stores=self._device.capabilities.exact_store_faults,
            precise_stores=self._device.capabilities.precise_stores,
        )
        return FaultError(
            f"task {index} ({function}): {text}", index=index, function=function, fault=fault
        )

    def _failed(self, calls: list[Call], result: abi.BatchResult) -> TaskError:
        index, task = result.current, result.tasks[result.current]
        bound = calls[index].bound
        text = self._last_error(result)
        match task.state:
            case abi.TaskState.STACK_OVERFLOW:
                low, top = self._runtime.task_stack
                why = f"it used all of its stack ({top - low:,} bytes)"
            case abi.TaskState.GUARD_BROKEN:
                parameter = bound.parameters[task.status].name
                why = f"it wrote behind the end of {parameter} ({bound.arguments[task.status]!r})"
                self._mend_guards(bound)
            case abi.TaskState.NULL_WRITE:
                why = "it wrote through a null pointer"
            case _:
                why = f"it returned {task.status}"
        why += f": {text}" if text else ""
        return TaskError(
            f"task {index} ({bound.function}) failed: {why}",
            index=index,
            function=bound.function,
            status=task.status,
            last_error=text,
        )

    def _mend_guards(self, bound: BoundCall) -> None:
        for tensor in bound.tensors:
            if tensor.guard_address:
                self._device.write(tensor.guard_address, abi.GUARD_WORDS)

    def _last_error(self, result: abi.BatchResult) -> str:
        if not result.last_error:
            return ""
        region = self._device.platform.region_at(result.last_error)
        if region is None:
            return f"(a text at {format_address(result.last_error)}, where no memory is)"
        size = min(_LONGEST_TEXT_BYTES, region.end - result.last_error)
        data = self._device.read(result.last_error, size)
        return data.split(b"\0", 1)[0].decode("utf-8", errors="replace")
