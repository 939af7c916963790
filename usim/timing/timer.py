"""Cycles: the pipeline model, memoised per (state, block) for the native side that adds them up."""

from __future__ import annotations

import ctypes
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from usim.timing.block_price import BlockPrice, price_block
from usim.timing.counter import InstructionCounter
from usim.timing.decode import Instruction, decode
from usim.timing.known_code import known_code
from usim.timing.memory import MemoryModel
from usim.timing.native_layout import (
    BRANCH_KINDS,
    MAKE_ROOM_CALLBACK,
    MAX_PRICES,
    MAX_STATES,
    NODE_DTYPE,
    PRICE_CALLBACK,
    PRICE_COUNT,
    PRICE_DTYPE,
    Node,
    Price,
    Timer,
)
from usim.timing.pipeline import NEUTRAL, Issued, State, issue
from usim.timing.tables import DEFAULT_PARAMETERS, Parameters
from usim.timing.timed_block import TimedBlock, in_flight, span

__all__ = ["NODE_DTYPE", "CycleTimer", "TimedBlock"]

_LOG = logging.getLogger(__name__)

_MAX_ISSUED = 4096


class CycleTimer:
    """Prices blocks when the native side first meets them, and reads its sums."""

    def __init__(
        self,
        counter: InstructionCounter,
        read_code: Callable[[int, int], bytes],
        parameters: Parameters = DEFAULT_PARAMETERS,
        max_prices: int = MAX_PRICES,
    ) -> None:
        self.parameters = parameters
        self._counter = counter
        self._read_code = read_code
        library = counter.library
        self._memory = ctypes.create_string_buffer(library.usim_timer_size())
        self._state = Timer.from_buffer(self._memory)
        self._prices: npt.NDArray[Any] = np.frombuffer(
            memoryview(self._memory), PRICE_DTYPE, PRICE_COUNT, library.usim_timer_prices_offset()
        )
        self._nodes_offset = library.usim_timer_nodes_offset()
        self._first_node = ctypes.addressof(self._memory) + self._nodes_offset
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
        self._issued: dict[tuple[bytes, int, State], Issued] = {}
        # What was priced, as it was then: memory may hold other code by now.
        self._priced_code: dict[tuple[int, int], bytes] = {}
        self._states: list[State] = []
        self._merges_states = False
        self._state_ids: dict[State, int] = {}
        # Kept alive: native code calls them.
        self._callbacks = PRICE_CALLBACK(self._price_guarded), MAKE_ROOM_CALLBACK(self._make_room)
        self._state.price, self._state.make_room = self._callbacks
        self._state.max_prices = max_prices
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
        """Cycles before the instruction at `pc` issues, which runs now, in the current block."""
        at = self._state
        address, size = at.block_address, at.block_size
        if not address <= pc < address + size or not at.previous:
            return self.cycles
        code, entry = self._priced_code[address, size], self._states[at.block_state]
        whole = self._issue(code, address, entry).cycles
        part = self._issue(code[: pc - address], address, entry).cycles if pc > address else 0
        return self.cycles - whole + part

    def rewind_to(self, pc: int) -> None:
        """The current block ended before `pc`: take back what did not run, keep the state.

        All of it has been fetched, and waited for: not again if it goes on there.
        """
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
        # numpy takes some microseconds for a row's field.
        node = Node.from_address(self._first_node + at.node * ctypes.sizeof(Node))
        node.cycles -= span(entry, whole) - (span(entry, part) if part else 0)
        node.instructions -= len(whole.slots) - (len(part.slots) if part else 0)
        self._continue_in(part.state if part else entry)
        at.paused_at = pc + 1

    def _issue(self, code: bytes, address: int, entry: State) -> Issued:
        # Asked for again and again where interrupts hit the same loop.
        key = code, address, entry
        if key not in self._issued:
            if len(self._issued) >= _MAX_ISSUED:
                self._issued.clear()
            self._issued[key] = issue(decode(code, address), entry, parameters=self.parameters)
        return self._issued[key]

    def _continue_in(self, state: State) -> None:
        self._state.state = self._id_of(state)
        self._state.previous = None

    def interrupt(self, cycles: int) -> None:
        """The pipeline was emptied, and something else took `cycles`: an exception's entry, say."""
        # The last instruction is finished meanwhile.
        in_flight_cycles = self._in_flight_now()
        taken = max(cycles, in_flight_cycles)
        self._interruptions += taken - in_flight_cycles
        at = self._state
        at.cycles += taken
        at.state = at.after_mispredict
        at.previous = None
        at.paused_at = 0
        if self._memory_model is not None:
            self._memory_model.drain()

    def wait(self, cycles: int) -> None:
        """The core stands still for `cycles`; what the pipeline holds stays."""
        self._interruptions += cycles
        self._state.cycles += cycles

    def skip(self, cycles: int) -> None:
        """Code that takes so long, and leaves state() as it is, need not be executed."""
        self._counter.library.usim_timer_skip(self.pointer, cycles)

    def state(self) -> int:
        """A hash of all that the cycles of code to come depend on, memory's model included.

        At the start of a block. Two states with the same hash are taken to be the same one.
        """
        return int(self._counter.library.usim_timing_state(self.pointer))

    def first_from(self, cycle: int) -> int | None:
        """The first instruction of the current block that issues at `cycle` or later, if any."""
        at = self._state
        address, size = at.block_address, at.block_size
        code, entry = self._priced_code[address, size], self._states[at.block_state]
        issued = self._issue(code, address, entry)
        begin = at.cycles - issued.cycles
        for slot in issued.slots:
            if begin + slot.cycle >= cycle:
                return slot.instruction.address
        return None

    def finish(self) -> None:
        """The program is over: the cycle of its last instruction counts as well."""
        self._state.cycles += self._in_flight_now()
        self._state.state = self._state.after_mispredict
        self._state.previous = None

    def _in_flight_now(self) -> int:
        previous = self._state.previous
        if previous:
            return int(Price.from_address(previous).in_flight)
        return in_flight(self._states[self._state.state])

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

        Cycles, call tree and predictions stay. blocks() tells of what ran before, as it was then,
        if keeps_replaced_code is set; else it would pile up where code is loaded all the time.
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
            if len(self._states) >= MAX_STATES:
                if not self._merges_states:
                    _LOG.warning("more than %d pipeline states: some are merged", MAX_STATES)
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
        block = self._price_of(code, address, self._states[state_id])
        price = result.contents
        price.cycles = block.cycles
        if self._memory_model is not None:
            in_it_block = self.left_of_it_block()
            price.accesses = self._memory_model.accesses_of(code, address, in_it_block)
        price.in_flight = block.in_flight
        price.own_cycles = block.own_cycles
        price.function = self.function_at(address)
        price.instructions = block.instructions
        price.next_state[0] = self._id_of(block.next_state)
        price.next_state[1] = self._id_of(block.jumped_state)
        price.executions = price.mispredicts = price.stall_cycles = 0
        price.backward = int(block.is_backward)
        price.branch = BRANCH_KINDS[block.branch]
        price.mispredict = block.mispredict_cycles
        if self.on_new_block is not None:
            self.on_new_block(decode(code, address))

    def _price_of(self, code: bytes, address: int, entry: State) -> BlockPrice:
        def find() -> BlockPrice:
            return price_block(code, address, entry, self.parameters)

        known = known_code(code, address) if self.parameters == DEFAULT_PARAMETERS else None
        return known.price((address, len(code)), entry, find) if known else find()

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
        row: Any,  # noqa: ANN401
        cuts: Mapping[tuple[int, int, int], Counter[int]],
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
