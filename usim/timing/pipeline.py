"""The issue model of the Cortex-M7: two instructions a cycle, in order, as far as operands and units allow.

`issue` takes a straight run of instructions and the state that the code before it left behind, and gives
the cycles between the two plus the state that crosses to what follows. It is a function of exactly these:
the same state and code always cost the same, whatever was seen before. States are small and compare
equal when nothing that follows could tell them apart, so that a program visits few of them.

Memory is not here: every access counts as a hit in a tightly coupled memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from usim.timing.decode import FLAGS, Instruction, Source
from usim.timing.tables import DEFAULT_PARAMETERS, Parameters

StallReason = Literal[
    "", "pairs", "operand", "unit", "alone", "fetch", "fp after mac", "flags", "branch target"
]
_EARLY_RESULT_LATENCY: Final = 0
_MAC_CLASSES: Final = frozenset({"fp_fma", "fp_mla"})
_BLOCKED_AFTER_MAC: Final = frozenset({"fp_add", "fp_load_double", "fp_store_double"})
_FP_BLOCKING: Final = frozenset({"fp_divide", "fp_sqrt"})
# A store's and a MAC's ports are one: no MAC beside a store (tables.py, [J]).
_CONFLICTING_UNITS: Final = (frozenset({"mac", "store"}),)
_INFINITE_PAST: Final = -99


class Pending(NamedTuple):
    """A result on its way: it can be used by a need-0 consumer from `cycle` on."""

    register: str
    cycle: int
    extra_to_address: int
    kind: str  # "fp", "mac" (an FP one), "" for everything else
    predicate: str


class Older(NamedTuple):
    """What the instruction in the older slot of the boundary's cycle leaves to its partner."""

    unit: str
    operand2: str
    class_name: str
    bank_base: str  # of a load: base register and word displacement, to compare banks
    bank_word: int | None
    is_taken_branch: bool


class State(NamedTuple):
    """What crosses from code to code. Cycles are relative to the boundary.

    `older` is what issued in cycle 0 if its younger slot is still free, else None.
    """

    older: Older | None = None
    pending: tuple[Pending, ...] = ()
    flags_age: int = 4  # cycles since the flags were set, at most early_flags_age + 1
    fp_free: int = 0  # the FP unit is busy until this cycle
    mac_block: int = 0  # vadd and friends must wait until this cycle
    fetch_lead: int = 4  # 8-byte fetches that are ahead of issue
    jumped: bool = False  # the boundary was a taken branch


NEUTRAL: Final = State()


class Slot(NamedTuple):
    """One instruction as it was issued. `cycle` counts from the boundary before the code."""

    instruction: Instruction
    cycle: int
    younger: bool
    stall_cycles: int
    reason: StallReason


class Issued(NamedTuple):
    """A run of code, issued."""

    cycles: int
    state: State
    slots: tuple[Slot, ...]


class _Machine:
    """The pipeline while it takes a run of instructions."""

    def __init__(self, state: State, parameters: Parameters) -> None:
        self.parameters = parameters
        self.older = state.older
        # The next instruction goes at the earliest into this cycle.
        self.cycle = 0
        self.pending = {item.register: item for item in state.pending}
        self.flags_set_at = -state.flags_age
        self.fp_free = state.fp_free
        self.mac_block = state.mac_block
        self.fetched_window: int | None = None
        self.window_ready_at = -state.fetch_lead
        self.jumped = state.jumped
        self.slots: list[Slot] = []

    # Operands.

    def _ready_for(self, source: Source, instruction: Instruction) -> int:
        """The first cycle in which `instruction` can be issued as far as this operand goes."""
        item = self.pending.get(source.register)
        if item is None:
            return _INFINITE_PAST
        at = item.cycle - source.need
        if source.is_address:
            at += item.extra_to_address
        if item.kind == "fp" and source.role != "plain":
            at = item.cycle - (0 if source.role == "fma_accumulator" else 1)
        if item.kind == "load" and source.role == "fma_accumulator":
            at = item.cycle + 2
        if item.predicate and item.predicate != instruction.predicate:
            at += 1
        return at

    def _operands_at(self, instruction: Instruction) -> tuple[int, StallReason]:
        latest, reason = _INFINITE_PAST, ""
        for source in instruction.sources:
            at = self._ready_for(source, instruction)
            if at > latest:
                latest, reason = at, "flags" if source.register == FLAGS else "operand"
        if instruction.class_name in _BLOCKED_AFTER_MAC and self.mac_block > latest:
            latest, reason = self.mac_block, "fp after mac"
        if instruction.timing.unit == "fp" and self.fp_free > latest:
            latest, reason = self.fp_free, "unit"
        return latest, reason  # type: ignore[return-value]

    def _goes_early(self, instruction: Instruction, cycle: int, *, younger: bool) -> bool:
        """Whether it executes in EX1, so that its partner can use the result in the same cycle."""
        timing = instruction.timing
        if not timing.early or instruction.operand2 == "shifted" or instruction.predicate:
            return False
        if younger and instruction.class_name != "shift":
            return False
        for source in instruction.sources:
            item = self.pending.get(source.register)
            if item is not None and item.cycle + 1 > cycle:
                return False
        return True

    # Units.

    def _pairs(self, instruction: Instruction) -> bool:
        """Whether it can go beside `self.older` in the same cycle, operands aside."""
        older = self.older
        if older is None or instruction.timing.alone or instruction.timing.older_only:
            return False
        if older.is_taken_branch and not self.parameters.branch_pairs_with_target:
            return False
        unit = instruction.timing.unit
        if unit == older.unit and unit in ("mac", "store", "fp", "simd", "branch", "shift"):
            return False
        if unit == older.unit == "load" and self._banks_conflict(instruction, older):
            return False
        if frozenset({unit, older.unit}) in _CONFLICTING_UNITS:
            return False
        if older.operand2 in ("shifted", "shift") and instruction.operand2 == "shifted":
            return False
        return not (older.class_name == "bitfield" and instruction.operand2 == "shifted")

    def _banks_conflict(self, instruction: Instruction, older: Older) -> bool:
        memory = instruction.memory
        if memory is None or memory.displacement is None or older.bank_word is None:
            return self.parameters.unknown_banks_conflict
        if memory.base != older.bank_base:
            return self.parameters.unknown_banks_conflict
        return (memory.displacement >> 2) % 2 == older.bank_word % 2

    # Fetch.

    def _fetched_at(self, instruction: Instruction) -> int:
        """The cycle in which its last halfword has been fetched."""
        size = self.parameters.fetch_bytes
        first, last = instruction.address // size, (instruction.end - 1) // size
        if self.fetched_window is None:
            # A jump starts a new fetch; straight code may go on in the window it was in.
            inside = instruction.address % size != 0 and not self.jumped
            self.fetched_window = first if inside else first - 1
        while self.fetched_window < last:
            self.fetched_window += 1
            ahead_limit = self.cycle - self.parameters.fetch_queue
            self.window_ready_at = max(self.window_ready_at + 1, ahead_limit)
        return self.window_ready_at

    # Issue.

    def issue(self, instruction: Instruction) -> None:
        operands_at, reason = self._operands_at(instruction)
        fetched_at = self._fetched_at(instruction)
        if fetched_at > operands_at:
            operands_at, reason = fetched_at, "fetch"
        cycle, younger = self.cycle, False
        if self.older is not None:
            if operands_at <= cycle and self._pairs(instruction):
                younger, reason = True, "pairs"
            else:
                if operands_at <= cycle:
                    reason = "alone" if instruction.timing.alone else "unit"
                cycle += 1
        start = cycle if younger else max(cycle, operands_at)
        stall = start - cycle
        if stall == 0 and not younger and operands_at < cycle and reason in ("operand", "fetch"):
            reason = ""
        if not younger and self.older is None and stall == 0:
            reason = ""
        self.slots.append(Slot(instruction, start, younger, stall, reason))
        self._retire(instruction, start, younger=younger)

    def _retire(self, instruction: Instruction, start: int, *, younger: bool) -> None:
        timing = instruction.timing
        early = self._goes_early(instruction, start, younger=younger)
        last = start + instruction.issue_cycles - 1
        latency = _EARLY_RESULT_LATENCY if early else timing.latency
        for number, register in enumerate(instruction.results):
            self._publish(instruction, register, start, last, latency, number)
        for register in instruction.early_results:
            self.pending[register] = Pending(register, start, 0, "", "")
        if timing.unit == "fp":
            if instruction.class_name in _FP_BLOCKING:
                self.fp_free = start + timing.latency
            if instruction.class_name in _MAC_CLASSES:
                self.mac_block = start + self.parameters.fp_after_mac
        if timing.alone or younger:
            self.cycle, self.older = last + 1, None
        else:
            self.cycle, self.older = start, _as_older(instruction)

    def _publish(  # noqa: PLR0913
        self,
        instruction: Instruction,
        register: str,
        start: int,
        last: int,
        latency: int,
        number: int,
    ) -> None:
        if register == FLAGS:
            self.flags_set_at = start
            self.pending[FLAGS] = Pending(FLAGS, start + 1, 0, "", "")
            return
        at = start + latency
        kind = ""
        if instruction.class_name in ("fp_add",):
            kind = "fp"
        elif instruction.class_name == "fp_load":
            kind = "load"
        if instruction.class_name == "load_multiple":
            at = start + number // 2 + latency - 1
        elif instruction.class_name == "divide":
            at = last + 1
        self.pending[register] = Pending(
            register, at, instruction.timing.to_address, kind, instruction.predicate
        )

    def boundary(self, *, jumps: bool) -> tuple[int, State]:
        """Cycles so far, and the state that crosses."""
        now = self.cycle
        older = self.older
        if older is not None and jumps:
            older = older._replace(is_taken_branch=True)
        reach = 3  # the largest `need` below 0 and above it both lie within this
        pending = tuple(
            sorted(
                item._replace(cycle=item.cycle - now)
                for item in self.pending.values()
                if item.cycle - now + item.extra_to_address + int(bool(item.predicate)) > -reach
            )
        )
        age_limit = self.parameters.early_flags_age + 1
        return now, State(
            older=older,
            pending=pending,
            flags_age=min(now - self.flags_set_at, age_limit),
            fp_free=max(self.fp_free - now, 0),
            mac_block=max(self.mac_block - now, 0),
            fetch_lead=min(max(now - self.window_ready_at, 0), self.parameters.fetch_queue),
            jumped=jumps,
        )


def _as_older(instruction: Instruction) -> Older:
    memory = instruction.memory
    word = memory.displacement >> 2 if memory and memory.displacement is not None else None
    return Older(
        instruction.timing.unit,
        instruction.operand2,
        instruction.class_name,
        memory.base if memory else "",
        word,
        is_taken_branch=False,
    )


def issue(
    instructions: Sequence[Instruction],
    state: State = NEUTRAL,
    *,
    jumps: bool = False,
    parameters: Parameters = DEFAULT_PARAMETERS,
) -> Issued:
    """Issue straight-line code. `jumps`: its last instruction is a branch that is taken."""
    machine = _Machine(state, parameters)
    for instruction in instructions:
        machine.issue(instruction)
    cycles, after = machine.boundary(jumps=jumps)
    return Issued(cycles, after, tuple(machine.slots))


def steady_state(
    instructions: Sequence[Instruction],
    *,
    parameters: Parameters = DEFAULT_PARAMETERS,
    warm_up: int = 16,
) -> Issued:
    """One iteration of a loop that ends in a taken branch to its start, once it has settled."""
    state = NEUTRAL
    for _ in range(warm_up):
        issued = issue(instructions, state, jumps=True, parameters=parameters)
        if issued.state == state:
            break
        state = issued.state
    return issued
