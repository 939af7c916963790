"""Cycles: the pipeline model, memoised per (state, block) for the native side that adds them up."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from usim.timing.counter import InstructionCounter
from usim.timing.decode import Instruction, decode
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
_MAX_PRICES: Final = _PRICE_COUNT // 4 * 3

PRICE_DTYPE: Final = np.dtype(
    [
        ("key", "<u8"),
        ("cycles", "<u4"),
        ("instructions", "<u4"),
        ("next_state", "<u4", (2,)),
        ("branch", "u1"),
        ("backward", "u1"),
        ("mispredict", "u1"),
        ("reserved", "u1"),
        ("mispredicts", "<u4"),
        ("executions", "<u8"),
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
        ("reserved", ctypes.c_uint8),
        ("mispredicts", ctypes.c_uint32),
        ("executions", ctypes.c_uint64),
    )


_PRICE_CALLBACK = ctypes.CFUNCTYPE(
    None, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.POINTER(_Price)
)


class _Timer(ctypes.Structure):
    """The head of struct timer in timer.h."""

    _fields_ = (
        ("cycles", ctypes.c_uint64),
        ("stalls", ctypes.c_uint64),
        ("price", _PRICE_CALLBACK),
        ("previous", ctypes.c_void_p),
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

    @property
    def cycles(self) -> int:
        """Of all executions, mispredictions of its branch included."""
        return self.executions * self.issued.cycles + self.mispredicts * self.mispredict_cycles


class CycleTimer:
    """Prices blocks when the native side first meets them, and reads its sums."""

    def __init__(
        self,
        counter: InstructionCounter,
        read_code: Callable[[int, int], bytes],
        parameters: Parameters = DEFAULT_PARAMETERS,
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
        self._states: list[State] = []
        self._state_ids: dict[State, int] = {}
        self._callback = _PRICE_CALLBACK(self._price)  # kept alive: native code calls it
        self._state.price = self._callback
        self._state.indirect_mispredict = parameters.mispredict
        assert self._id_of(NEUTRAL) == 0
        self._state.after_mispredict = self._id_of(NEUTRAL._replace(fetch_lead=0, jumped=True))
        self.restart()

    @property
    def pointer(self) -> int:
        """The address of the native state."""
        return ctypes.addressof(self._state)

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
        code = self._read_code(address, size)
        entry = self._states[state.block_state]
        whole = issue(decode(code, address), entry, parameters=self.parameters)
        part = issue(decode(code[: pc - address], address), entry, parameters=self.parameters)
        return whole.cycles - part.cycles, part.state

    def rewind_to(self, pc: int) -> None:
        """The current block ended before `pc`: take back what did not run, keep the state."""
        if pc == self._state.block_address and self._state.previous:
            # Not even its first instruction ran.
            entry = self._states[self._state.block_state]
            whole = issue(
                decode(self._read_code(pc, self._state.block_size), pc),
                entry,
                parameters=self.parameters,
            )
            self._state.cycles -= whole.cycles
            self._continue_in(entry)
            return
        cycles, state = self._behind(pc)
        if state is not None:
            self._state.cycles -= cycles
            self._continue_in(state)

    def _continue_in(self, state: State) -> None:
        self._state.state = self._id_of(state)
        self._state.previous = None

    def interrupt(self, cycles: int) -> None:
        """The pipeline was emptied, and something else took `cycles`: an exception's entry, say."""
        self._state.cycles += cycles
        self._state.state = self._state.after_mispredict
        self._state.previous = None

    # Life cycle.

    def restart(self) -> None:
        """As after a reset: empty pipeline, predictor and call tree. The sum of cycles goes on."""
        self._counter.library.usim_timer_restart(self.pointer)

    def forget_code(self) -> None:
        """Code has changed: drop what is known of blocks."""
        self._counter.library.usim_timer_forget(self.pointer)

    # Pricing.

    def _id_of(self, state: State) -> int:
        known = self._state_ids.get(state)
        if known is None:
            if len(self._states) >= _MAX_STATES:
                _LOG.warning("more than %d pipeline states: some are merged", _MAX_STATES)
                return 0
            known = self._state_ids[state] = len(self._states)
            self._states.append(state)
        return known

    def _price(self, state_id: int, address: int, size: int, result: Any) -> None:  # noqa: ANN401
        instructions = decode(self._read_code(address, size), address)
        entry = self._states[state_id]
        issued = issue(instructions, entry, parameters=self.parameters)
        price = result.contents
        price.cycles = issued.cycles
        price.instructions = len(instructions)
        price.next_state[0] = price.next_state[1] = self._id_of(issued.state)
        price.executions = price.mispredicts = 0
        last = instructions[-1] if instructions else None
        kind = last.branch if last else "none"
        if last is not None and kind != "none":
            jumped = issue(instructions, entry, jumps=True, parameters=self.parameters)
            price.next_state[1] = self._id_of(jumped.state)
            if kind == "call" and last.target is None:
                kind = "indirect_call"
            price.backward = int(last.target is not None and last.target <= last.address)
        price.branch = _BRANCH_KINDS[kind]
        price.mispredict = self._mispredict_cycles(issued)

    def _mispredict_cycles(self, issued: Issued) -> int:
        early = issued.state.flags_age >= self.parameters.early_flags_age
        return self.parameters.mispredict_early_flags if early else self.parameters.mispredict

    # What was executed.

    def blocks(self) -> list[TimedBlock]:
        """Every block that ran since restart(), once for each state in which it was entered."""
        rows = self._prices[(self._prices["key"] != 0) & (self._prices["executions"] > 0)]
        return [self._timed_block(row) for row in rows]

    def _timed_block(self, row: Any) -> TimedBlock:  # noqa: ANN401
        key = int(row["key"])
        address, size, state_id = key & 0xFFFF_FFFF, key >> 32 & 0x1FFF, key >> 45 & 0x3FFFF
        instructions = decode(self._read_code(address, size), address)
        issued = issue(instructions, self._states[state_id], parameters=self.parameters)
        return TimedBlock(
            address,
            instructions,
            issued,
            int(row["executions"]),
            int(row["mispredicts"]),
            int(row["mispredict"]),
        )

    def call_tree(self) -> npt.NDArray[Any]:
        """The call tree since restart(), as NODE_DTYPE rows; row 0 is the root."""
        return np.frombuffer(
            memoryview(self._memory), NODE_DTYPE, self._state.node_count, self._nodes_offset
        ).copy()
