"""Cycles: the pipeline model, memoised per (state, block) for the native side that adds them up."""

from __future__ import annotations

import ctypes
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from usim.timing.counter import InstructionCounter
from usim.timing.decode import Instruction, decode
from usim.timing.memory import MemoryModel
from usim.timing.pipeline import NEUTRAL, Issued, State, issue
from usim.timing.tables import DEFAULT_PARAMETERS, Parameters

_LOG = logging.getLogger(__name__)

# enum branch_kind in timer.h.
_BRANCH_KINDS: Final = {
    "none": 0,
    "conditional": 1,
    "direct": 2,
    "call": 3,
    "indirect": 4,
    "return": 5,
    "indirect_call": 6,
}
_MAX_STATES: Final = 1 << 18
_PRICE_COUNT: Final = 262144
_NODE_COUNT: Final = 65536
_MAX_PRICES: Final = _PRICE_COUNT // 4 * 3  # beyond, looking rows up would be slow

PRICE_DTYPE: Final = np.dtype(
    [
        ("key", "<u8"),
        ("cycles", "<u4"),
        ("instructions", "<u4"),
        ("next_state", "<u4", (2,)),
        ("branch", "u1"),
        ("backward", "u1"),
        ("mispredict", "u1"),
        ("in_flight", "u1"),
        ("mispredicts", "<u4"),
        ("function", "<u4"),
        ("own_cycles", "<u4"),
        ("executions", "<u8"),
        ("stall_cycles", "<u8"),
        ("accesses", "<u8"),
        ("access_count", "<u4"),
        ("access_registers", "<u4"),
    ]
)
NODE_DTYPE: Final = np.dtype(
    [
        ("parent", "<u4"),
        ("function", "<u4"),
        ("first_child", "<u4"),
        ("next_sibling", "<u4"),
        ("calls", "<u8"),
        ("cycles", "<u8"),
        ("instructions", "<u8"),
    ]
)


class _Price(ctypes.Structure):
    _fields_ = (
        ("key", ctypes.c_uint64),
        ("cycles", ctypes.c_uint32),
        ("instructions", ctypes.c_uint32),
        ("next_state", ctypes.c_uint32 * 2),
        ("branch", ctypes.c_uint8),
        ("backward", ctypes.c_uint8),
        ("mispredict", ctypes.c_uint8),
        ("in_flight", ctypes.c_uint8),
        ("mispredicts", ctypes.c_uint32),
        ("function", ctypes.c_uint32),
        ("own_cycles", ctypes.c_uint32),
        ("executions", ctypes.c_uint64),
        ("stall_cycles", ctypes.c_uint64),
        ("accesses", ctypes.c_void_p),
        ("access_count", ctypes.c_uint32),
        ("access_registers", ctypes.c_uint32),
    )


_PRICE_CALLBACK = ctypes.CFUNCTYPE(
    None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(_Price)
)
_MAKE_ROOM_CALLBACK = ctypes.CFUNCTYPE(None)


class _Timer(ctypes.Structure):
    """The head of struct timer in timer.h."""

    _fields_ = (
        ("cycles", ctypes.c_uint64),
        ("stalls", ctypes.c_uint64),
        ("price", _PRICE_CALLBACK),
        ("previous", ctypes.c_void_p),
        ("memory", ctypes.c_void_p),
        ("state", ctypes.c_uint32),
        ("after_mispredict", ctypes.c_uint32),
        ("block_address", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("block_state", ctypes.c_uint32),
        ("indirect_mispredict", ctypes.c_uint32),
        ("price_count", ctypes.c_uint32),
        ("node_count", ctypes.c_uint32),
        ("node", ctypes.c_uint32),
        ("depth", ctypes.c_uint32),
        ("max_prices", ctypes.c_uint32),
        ("paused_at", ctypes.c_uint32),
        ("make_room", _MAKE_ROOM_CALLBACK),
    )


@dataclass(frozen=True, slots=True)
class TimedBlock:
    """A block as it was entered in one state: how often, what it cost, how it issued."""

    address: int
    instructions: tuple[Instruction, ...]
    issued: Issued
    executions: int
    mispredicts: int
    mispredict_cycles: int
    # Waiting for memory behind a cache, over all executions; the issue model knows nothing of it.
    stall_cycles: int
    entry: State

    @property
    def first_cycle(self) -> int:
        """1 if cycle 0 of `issued` belongs to the last instruction of the block before."""
        return _in_flight(self.entry)

    @property
    def end_cycle(self) -> int:
        """The cycle in which its last instruction has been issued, counted as `issued` does."""
        return self.issued.cycles + _in_flight(self.issued.state)

    @property
    def own_mispredict_cycles(self) -> int:
        """Of one misprediction, what comes on top of the branch's own cycle."""
        return self.mispredict_cycles - _in_flight(self.issued.state)

    @property
    def own_cycles(self) -> int:
        """What its own instructions took, waits included. All blocks' are all cycles."""
        issued = self.executions * (self.end_cycle - self.first_cycle)
        return issued + self.mispredicts * self.own_mispredict_cycles + self.stall_cycles

    @property
    def cycles(self) -> int:
        """Of all executions, mispredictions of its branch and waits for memory included."""
        issued = self.executions * self.issued.cycles
        return issued + self.mispredicts * self.mispredict_cycles + self.stall_cycles


def _span(entry: State, issued: Issued) -> int:
    """Cycles of a run of code's own instructions."""
    return issued.cycles + _in_flight(issued.state) - _in_flight(entry)


def _in_flight(state: State) -> int:
    """1 if the last instruction's cycle is not over: another one may still join it."""
    return int(state.older is not None)


class CycleTimer:
    """Prices blocks when the native side first meets them, and reads its sums."""

    def __init__(
        self,
        counter: InstructionCounter,
        read_code: Callable[[int, int], bytes],
        parameters: Parameters = DEFAULT_PARAMETERS,
        max_prices: int = _MAX_PRICES,
    ) -> None:
        self.parameters = parameters
        self._counter = counter
        self._read_code = read_code
        library = counter.library
        self._memory = ctypes.create_string_buffer(library.usim_timer_size())
        self._state = _Timer.from_buffer(self._memory)
        self._prices: npt.NDArray[Any] = np.frombuffer(
            memoryview(self._memory), PRICE_DTYPE, _PRICE_COUNT, library.usim_timer_prices_offset()
        )
        self._nodes_offset = library.usim_timer_nodes_offset()
        self._nodes: npt.NDArray[Any] = np.frombuffer(
            memoryview(self._memory), NODE_DTYPE, _NODE_COUNT, self._nodes_offset
        )
        # For profiles: where the function starts that holds an address (0: unknown), and who is
        # told of a block that runs for the first time.
        self.function_at: Callable[[int], int] = lambda _: 0
        self.on_new_block: Callable[[Sequence[Instruction]], None] | None = None
        # How many of the coming instructions belong to an IT block that has begun before.
        self.left_of_it_block: Callable[[], int] = lambda: 0
        # Whether blocks() tells of code, too, that has been replaced since it ran.
        self.keeps_replaced_code = False
        self._replaced: list[TimedBlock] = []
        self._failure: BaseException | None = None
        self._interruptions = 0
        self._cuts: Counter[tuple[int, int, int, int]] = Counter()
        # What was priced, as it was then: memory may hold other code by now.
        self._priced_code: dict[tuple[int, int], bytes] = {}
        self._states: list[State] = []
        self._merges_states = False
        self._state_ids: dict[State, int] = {}
        # Kept alive: native code calls them.
        self._callbacks = _PRICE_CALLBACK(self._price_guarded), _MAKE_ROOM_CALLBACK(self._make_room)
        self._state.price, self._state.make_room = self._callbacks
        self._state.max_prices = max_prices
        self._state.indirect_mispredict = parameters.mispredict
        assert self._id_of(NEUTRAL) == 0
        self._state.after_mispredict = self._id_of(NEUTRAL._replace(fetch_lead=0, jumped=True))
        self._memory_model: MemoryModel | None = None
        self.restart()

    @property
    def pointer(self) -> int:
        """The address of the native state."""
        return ctypes.addressof(self._state)

    def attach_memory(self, memory: MemoryModel) -> None:
        """Have waits for memory added; before any code runs."""
        self._memory_model = memory
        self._state.memory = memory.pointer

    # Sums.

    @property
    def cycles(self) -> int:
        """Cycles so far, the whole of the current block included."""
        return int(self._state.cycles)

    def cycles_before(self, pc: int) -> int:
        """Cycles before the instruction at `pc`, which lies in the current block, issues."""
        return self.cycles - self._behind(pc)[0]

    def _behind(self, pc: int) -> tuple[int, State | None]:
        """What the current block costs from `pc` on, and the state there."""
        state = self._state
        address, size = state.block_address, state.block_size
        if not address < pc < address + size or not state.previous:
            return 0, None
        code = self._priced_code[address, size]
        entry = self._states[state.block_state]
        whole = issue(decode(code, address), entry, parameters=self.parameters)
        part = issue(decode(code[: pc - address], address), entry, parameters=self.parameters)
        return whole.cycles - part.cycles, part.state

    def rewind_to(self, pc: int) -> None:
        """The current block ended before `pc`: take back what did not run, keep the state."""
        at = self._state
        address, size = at.block_address, at.block_size
        if not address <= pc < address + size or not at.previous:
            return
        code, entry = self._priced_code[address, size], self._states[at.block_state]
        whole = self._issue(code, address, entry)
        # An empty part is no boundary of its own: the state stays what it was.
        part = self._issue(code[: pc - address], address, entry) if pc > address else None
        at.cycles -= whole.cycles - (part.cycles if part else 0)
        self._cuts[address, size, at.block_state, pc] += 1
        node = self._nodes[at.node]
        node["cycles"] -= _span(entry, whole) - (_span(entry, part) if part else 0)
        node["instructions"] -= len(whole.slots) - (len(part.slots) if part else 0)
        self._continue_in(part.state if part else entry)

    def _issue(self, code: bytes, address: int, entry: State) -> Issued:
        return issue(decode(code, address), entry, parameters=self.parameters)

    def _continue_in(self, state: State) -> None:
        self._state.state = self._id_of(state)
        self._state.previous = None

    def interrupt(self, cycles: int) -> None:
        """The pipeline was emptied, and something else took `cycles`: an exception's entry, say."""
        # The last instruction is finished meanwhile.
        taken = max(cycles, self._in_flight_now())
        self._interruptions += taken - self._in_flight_now()
        self._state.cycles += taken
        self._state.state = self._state.after_mispredict
        self._state.previous = None
        self._state.paused_at = 0

    def finish(self) -> None:
        """The program is over: the cycle of its last instruction counts as well."""
        self._state.cycles += self._in_flight_now()
        self._state.state = self._state.after_mispredict
        self._state.previous = None

    def _in_flight_now(self) -> int:
        previous = self._state.previous
        if previous:
            return int(ctypes.cast(previous, ctypes.POINTER(_Price)).contents.in_flight)
        return _in_flight(self._states[self._state.state])

    @property
    def interruption_cycles(self) -> int:
        """Cycles since restart() that belong to no instruction: of exceptions' entries, say."""
        return self._interruptions

    # Life cycle.

    def restart(self) -> None:
        """As after a reset: empty pipeline, predictor and call tree. The sum of cycles goes on."""
        self._counter.library.usim_timer_restart(self.pointer)
        self._interruptions = 0
        self._cuts.clear()
        self._replaced.clear()

    def forget_code(self) -> None:
        """Code has changed: drop what is known of blocks.

        Cycles, call tree and predictions stay. blocks() tells of what ran before as it was then only
        if keeps_replaced_code is set: who loads code again and again would collect all of it.
        """
        if self.keeps_replaced_code:
            self._replaced = self.blocks()
        self._drop_prices()

    def _make_room(self) -> None:
        """The table of prices is full: what ran is kept apart, and pricing starts over."""
        self._replaced = self.blocks()
        self._drop_prices()

    def _drop_prices(self) -> None:
        self._counter.library.usim_timer_forget(self.pointer)
        self._cuts.clear()
        self._priced_code.clear()

    # Pricing.

    def _id_of(self, state: State) -> int:
        known = self._state_ids.get(state)
        if known is None:
            if len(self._states) >= _MAX_STATES:
                if not self._merges_states:
                    _LOG.warning("more than %d pipeline states: some are merged", _MAX_STATES)
                self._merges_states = True
                return 0
            known = self._state_ids[state] = len(self._states)
            self._states.append(state)
        return known

    def _price_guarded(self, state_id: int, address: int, size: int, result: Any) -> None:  # noqa: ANN401
        try:
            self._price(state_id, address, size, result)
        # Whatever it is, Ctrl-C included: ctypes would print it and go on with a price of nothing.
        except BaseException as exc:  # noqa: BLE001
            self._failure = exc
            self._counter.stop()

    def raise_failure(self) -> None:
        """Raise what pricing a block has raised in the last run, if it has."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self.forget_code()
            raise failure

    def _price(self, state_id: int, address: int, size: int, result: Any) -> None:  # noqa: ANN401
        code = self._priced_code[address, size] = self._read_code(address, size)
        instructions = decode(code, address)
        entry = self._states[state_id]
        issued = issue(instructions, entry, parameters=self.parameters)
        price = result.contents
        price.cycles = issued.cycles
        if self._memory_model is not None:
            price.accesses, price.access_count, price.access_registers = (
                self._memory_model.accesses_of(code, address, self.left_of_it_block())
            )
        price.in_flight = _in_flight(issued.state)
        price.own_cycles = _span(entry, issued)
        price.function = self.function_at(address)
        price.instructions = len(instructions)
        price.next_state[0] = price.next_state[1] = self._id_of(issued.state)
        price.executions = price.mispredicts = price.stall_cycles = 0
        last = instructions[-1] if instructions else None
        kind = last.branch if last else "none"
        if last is not None and kind != "none":
            jumped = issue(instructions, entry, jumps=True, parameters=self.parameters)
            price.next_state[1] = self._id_of(jumped.state)
            if kind == "call" and last.target is None:
                kind = "indirect_call"
            price.backward = int(last.target is not None and last.target <= last.address)
        price.branch = _BRANCH_KINDS[kind]
        indirect = kind in ("indirect", "indirect_call")
        price.mispredict = (
            self.parameters.mispredict if indirect else self._mispredict_cycles(issued)
        )
        if self.on_new_block is not None:
            self.on_new_block(instructions)

    def _mispredict_cycles(self, issued: Issued) -> int:
        early = issued.state.flags_age >= self.parameters.early_flags_age
        return self.parameters.mispredict_early_flags if early else self.parameters.mispredict

    # What was executed.

    def blocks(self) -> list[TimedBlock]:
        """Every block that ran since restart(), once for each state in which it was entered.

        Of a block twice, where its price was dropped in between: see forget_code().
        """
        rows = self._prices[(self._prices["key"] != 0) & (self._prices["executions"] > 0)]
        cuts: dict[tuple[int, int, int], Counter[int]] = {}
        for (*block, pc), times in self._cuts.items():
            cuts.setdefault((block[0], block[1], block[2]), Counter())[pc] += times
        return self._replaced + [block for row in rows for block in self._timed_blocks(row, cuts)]

    def _timed_blocks(
        self,
        row: Any,
        cuts: Mapping[tuple[int, int, int], Counter[int]],  # noqa: ANN401
    ) -> Iterator[TimedBlock]:
        """A price as it ran, and as it ran up to where it was cut short."""
        key = int(row["key"])
        address, size, state_id = key & 0xFFFF_FFFF, key >> 32 & 0x1FFF, key >> 45 & 0x3FFFF
        entry, code = self._states[state_id], self._priced_code[address, size]
        cut = cuts.get((address, size, state_id), Counter())
        runs = {address + size: int(row["executions"]) - cut.total(), **cut}
        for end, executions in runs.items():
            whole = end == address + size
            if (executions == 0 and not whole) or end == address:
                continue
            part = code[: end - address]
            yield TimedBlock(
                address,
                decode(part, address),
                self._issue(part, address, entry),
                executions,
                int(row["mispredicts"]) if whole else 0,
                int(row["mispredict"]),
                int(row["stall_cycles"]) if whole else 0,
                entry,
            )

    def call_tree(self) -> npt.NDArray[Any]:
        """The call tree since restart(), as NODE_DTYPE rows; row 0 is the root."""
        return np.frombuffer(
            memoryview(self._memory), NODE_DTYPE, self._state.node_count, self._nodes_offset
        ).copy()
