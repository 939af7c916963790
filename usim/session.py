"""A session with a device: load modules, put tensors there, call functions lazily or at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from usim import abi
from usim.calls import BoundCall
from usim.compiled_model import CompiledModel
from usim.debug_info import read_signatures
from usim.devices import Capabilities, Device, Timing, make_device
from usim.errors import ArgumentError, DeviceError
from usim.image import read_object
from usim.loader import LoadedImage
from usim.memory import SectionAllocator
from usim.models import Model
from usim.module import Module
from usim.platforms import Platform, load_platform
from usim.resources import data_folder
from usim.runtime import CodeLoader, DeviceRuntime
from usim.session_facts import SectionUse, Staged, Statistics
from usim.stack import StackNeed
from usim.symbols import SymbolTable
from usim.tasks import Call, TaskQueue, longest_queue
from usim.tensor import Tensor, check_dtype
from usim.toolchain import Toolchain, find_toolchain
from usim.weight_placement import Weights

_TENSOR_ALIGNMENT: Final = 16
_ALLOCATED_BY_HOST: Final = ("text", "rodata", "data", "bss", "heap")


class Session:
    """A device that modules, tensors and models can be put on.

    with usim.Session("stm32f746") as s:
        module = s.load_module("void add(const float *a, const float *b, float *c, int n) {...}")
        a = s.tensor(np.ones(4, np.float32))
        module.add(a, a, a, 4)        # queued
        print(a.numpy())              # runs the queue, reads

    `platform` is a name or a platform.yaml; `backend` one of usim.devices.BACKENDS.
    `timing` says what an emulated device counts: "count" instructions, "core" cycles of the issue
    model as if every access hit, "full" cycles with caches and memories; a board measures.
    Calls are queued and run as one batch when a result is read, on sync(), when the queue
    (`queue_length`) or the args section is full, and at exit; `strict` runs each at once.
    `timeout_s` limits one batch, in seconds of host time.
    `openocd`, with that backend: HOST:PORT of a running OpenOCD's Tcl port, a configuration file
    for a new one (default: the platform's openocd.cfg), or "virtual" for an emulated chip.
    `device` takes the place of `backend`'s.
    """

    def __init__(  # noqa: PLR0913 - options, given by name
        self,
        platform: str | Path | Platform = "stm32f746",
        *,
        backend: str = "embedded",
        toolchain: str | None = None,
        timing: Timing = "full",
        strict: bool = False,
        queue_length: int = 32,
        timeout_s: float = 30.0,
        openocd: str | None = None,
        device: Device | None = None,
    ) -> None:
        if queue_length < 1 or timeout_s <= 0:
            raise ArgumentError(
                f"queue_length {queue_length} and timeout_s {timeout_s} must be positive"
            )
        if not isinstance(platform, Platform):
            platform = load_platform(platform, backend)
        self.platform = platform
        longest = longest_queue(self.platform.section("args").extents[0].size_bytes)
        if queue_length > longest:
            raise ArgumentError(
                f"queue_length {queue_length} is too much for section args of {self.platform}; "
                f"{longest} fit"
            )
        self.toolchain: Toolchain = find_toolchain(toolchain)
        self.backend = backend
        self.strict = strict
        self._queue_length = 1 if strict else queue_length
        self._timeout_s = timeout_s
        self._device = device or make_device(backend, self.platform, timing, openocd=openocd)
        self._open = self._closed = False

    # Life cycle.

    def open(self) -> Session:
        """Connect, build and load the runtime. `with` does this."""
        if self._open:
            return self
        if self._closed:  # what it had on the device is gone, whoever may still hold it
            raise DeviceError("the session was closed; make a new one")
        self.symbols = SymbolTable()
        self._allocators = {
            name: SectionAllocator(self.platform.section(name), platform=self.platform.name)
            for name in _ALLOCATED_BY_HOST
        }
        self._loader = CodeLoader(self._device, self.toolchain, self._allocators, self.symbols)
        try:
            self._device.open()
            self._runtime = DeviceRuntime(self._device, self.toolchain, self._loader)
            self._queue = TaskQueue(self._device, self._runtime, self.symbols, self._queue_length)
            self._queue.timeout_s = self._timeout_s
        except BaseException:
            self._loader.close()
            self._device.close()
            raise
        self._open = True
        return self

    def close(self) -> None:
        """Let go of the device without running what is queued."""
        if self._open:
            self._queue.discard("the session was closed")
            self._loader.close()
            self._open = False
            self._closed = True
        self._device.close()

    def __enter__(self) -> Session:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _exc: BaseException | None,
        _tb: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.sync()
        finally:
            self.close()

    @property
    def is_open(self) -> bool:
        """Whether it can be used now."""
        return self._open

    def _require_open(self) -> None:
        if not self._open:
            how = "make a new one" if self._closed else "use it in a with statement, or call open()"
            raise DeviceError(f"the session is not open: {how}")

    # Code.

    def load_module(
        self,
        source: str | Path,
        *,
        name: str | None = None,
        include: Sequence[Path] = (),
        flags: Sequence[str] = (),
    ) -> Module:
        """Compile C and load it. `source` is C text, or the Path of a file.

        `usim.h` and `include` are on the include path; `flags` follow the platform's own. Raises
        CompileError with the compiler's message, LinkError (an undefined symbol), MemoryFullError.
        """
        self._require_open()
        if isinstance(source, Path):
            name = name or str(source)
            include = (source.resolve().parent, *include)
            source = _read_source(source)
        name = name or "module.c"
        compiled = self.toolchain.compile(
            source,
            name=name,
            core=self.platform.core,
            include=(data_folder("device_runtime"), *include),
            flags=flags,
        )
        return self.load_object(compiled, name=name)

    def measure_object(self, elf: bytes) -> dict[str, int]:
        """The bytes of each section that load_object would take, whether there is room or not."""
        self._require_open()
        return self._loader.measure([elf], self._runtime.helpers)

    def load_object(self, elf: bytes, *, name: str = "module.o") -> Module:
        """Load a compiled relocatable object. Raises LinkError, MemoryFullError."""
        self._require_open()
        image, _ = self._loader.place([elf], self._runtime.helpers)
        # Not what the compiler's own library brought along.
        own = {symbol.name for symbol in read_object(elf).exported()}
        return Module(self, name, image, own, read_signatures(elf))

    def load_model(self, model: Model | str | Path, *, weights: Weights = "flash") -> CompiledModel:
        """Compile a model for this device and load it; `model` may be the path of a .tflite file.

        `weights`: "flash", "ram" or "auto" (usim.weight_placement has the policies).
        ModelError if it can't be read, has an unsupported operator or does not fit the memory.
        """
        self._require_open()
        loaded = model if isinstance(model, Model) else Model.load(model)
        return CompiledModel(self, loaded, weights=weights)

    def stack_need(self, image: LoadedImage, tasks: Sequence[tuple[int, int]]) -> StackNeed:
        """The stack that these tasks of `image` need, the runtime's own included, from the code.

        A task is the address of its function, and bytes of arguments beyond those in registers.
        """
        self._require_open()
        return self._runtime.stack_need(image, tasks)

    def unload(self, image: LoadedImage) -> None:
        """Free what a module takes; queued calls run first. Module.unload calls this."""
        if self._open:
            try:
                self._queue.flush()
            finally:
                self._loader.remove(image)

    def submit(self, bound: BoundCall, function_address: int) -> Call:
        """Queue a checked call; Function.__call__ calls this."""
        self._require_open()
        call = self._queue.submit(bound, function_address)
        if self.strict:
            self._queue.flush()
        return call

    def sync(self) -> None:
        """Run what is queued. TaskError, FaultError or DeviceTimeoutError for what fails."""
        self._require_open()
        self._queue.flush()

    def stage(self) -> Staged:
        """Write what is queued and a vector table, so that a reset of the core runs the batch.

        Nothing runs here, and the queued calls are lost.
        """
        self._require_open()
        tasks = self._queue.stage()
        return Staged(self._runtime.write_vectors(), self._runtime.start, self._runtime.done, tasks)

    # Data.

    def tensor(
        self, values: npt.ArrayLike, *, section: Literal["heap", "rodata"] = "heap"
    ) -> Tensor:
        """Copy an array to the device: to the heap, or as a constant to where rodata lies.

        Any shape; bool, integers up to 64 bits, float16 to float64. MemoryFullError without room.
        """
        array = np.ascontiguousarray(np.asarray(values))
        array = array.reshape(np.shape(values))
        check_dtype(array.dtype)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return self._place(array.shape, array.dtype, array.tobytes(), section)

    def empty(self, shape: int | Sequence[int], dtype: npt.DTypeLike = np.float32) -> Tensor:
        """A tensor on the heap whose content is whatever was there."""
        extents = tuple(np.atleast_1d(shape).tolist()) if np.size(shape) else ()
        if any(extent < 0 for extent in extents):
            raise ArgumentError(f"a tensor cannot have the shape {extents}")
        element = np.dtype(dtype).newbyteorder("<")
        check_dtype(element)
        return self._place(extents, element, None, "heap")

    def view(self, tensor: Tensor, offset_bytes: int, shape: Sequence[int], dtype: str) -> Tensor:
        """A tensor that is a part of another's memory, `offset_bytes` from its start."""
        tensor.require_usable_in(self)
        part = Tensor(self, tensor.address + offset_bytes, tuple(shape), dtype)
        if offset_bytes < 0 or offset_bytes + part.nbytes > tensor.nbytes:
            raise ArgumentError(f"{part} does not lie within {tensor}")
        part.base = tensor  # keeps the memory
        return part

    def _place(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], data: bytes | None, section: str
    ) -> Tensor:
        self._require_open()
        if section not in {"heap", "rodata"}:
            raise ArgumentError(f"tensors go to section heap or rodata, not {section!r}")
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        guard_at = size + -size % 4
        allocator = self._allocators[section]
        block = allocator.allocate(guard_at + len(abi.GUARD_WORDS), _TENSOR_ALIGNMENT)
        guard_address = block.address + guard_at
        if data is None:
            self._device.write(guard_address, abi.GUARD_WORDS)
        else:
            self._device.write(block.address, data.ljust(guard_at, b"\0") + abi.GUARD_WORDS)
        return Tensor(
            self,
            block.address,
            shape,
            dtype,
            guard_address=guard_address,
            release=lambda: allocator.free_later(block),
        )

    def read_memory(self, address: int, size_bytes: int) -> bytes:
        """Read the device's memory; queued calls run first. AccessError where no memory is."""
        self.sync()
        return self._device.read(address, size_bytes)

    def write_memory(self, address: int, data: bytes) -> None:
        """Write the device's memory; queued calls run first. AccessError where no memory is."""
        self.sync()
        self._device.write(address, data)

    # What is known of it.

    @property
    def capabilities(self) -> Capabilities:
        """What the device can count."""
        return self._device.capabilities

    @property
    def stats(self) -> Statistics:
        """Batches, tasks, transactions and bytes so far."""
        self._require_open()
        link = self._device.transactions
        return Statistics(
            self._queue.batches,
            self._queue.tasks,
            link.total,
            link.bytes_written,
            link.bytes_read,
        )

    @property
    def clock_hz(self) -> int | None:
        """The core's clock: a board's as read back, a model's as described; None if unknown."""
        self._require_open()
        return self._runtime.clock_hz

    def usart_output(self, name: str) -> bytes:
        """What programs have sent on a USART since open(); runs what is queued.

        `name` is one of capabilities.usarts; DeviceError for another.
        """
        self.sync()
        return self._device.usart_output(name)

    def free_bytes(self, section: str, *, in_one_block: bool = False) -> int:
        """Bytes of a section that are not allocated, in all pieces together or in the largest."""
        self._require_open()
        allocator = self._allocators[section]
        if in_one_block:
            return allocator.largest_gap_bytes
        return allocator.section.size_bytes - allocator.used_bytes

    def memory_use(self, *, run_queue: bool = True) -> tuple[SectionUse, ...]:
        """How full each section is and was at most; runs what is queued, unless told not to."""
        self._require_open()
        if run_queue:
            self.sync()
        used = [
            SectionUse(
                name, allocator.used_bytes, allocator.peak_bytes, allocator.section.size_bytes
            )
            for name, allocator in self._allocators.items()
        ]
        workspace, stack = self.platform.section("workspace"), self.platform.section("stack")
        used.append(
            SectionUse("workspace", None, self._queue.workspace_peak_bytes, workspace.size_bytes)
        )
        used.append(
            SectionUse("stack", None, self._runtime.stack_high_water_bytes(), stack.size_bytes)
        )
        return tuple(used)


def _read_source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise ArgumentError(f"cannot read {path}: {reason}") from exc
