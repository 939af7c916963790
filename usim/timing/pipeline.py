"""The issue model of the Cortex-M7: two instructions a cycle, in order, as far as they go together.

`issue` takes a straight run of instructions and the state that the code before it left behind, and
gives the cycles between the two plus the state that crosses to what follows. It is a function of
exactly these: the same state and code always cost the same, whatever was seen before. States are
small and compare equal when nothing that follows could tell them apart, so that a program visits
few of them.

Memory is not here: every access counts as a hit in a tightly coupled memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from usim.timing.decode import FLAGS, Instruction
from usim.timing.operands import Memory, Source
from usim.timing.states import (
    DELAYS,
    LONGEST,
    NEUTRAL,
    RESTARTED,
    MacPlace,
    Older,
    Pending,
    State,
)
from usim.timing.tables import DEFAULT_PARAMETERS, Kind, Parameters, Role

__all__ = [
    "NEUTRAL",
    "RESTARTED",
    "Issued",
    "Older",
    "Pending",
    "Slot",
    "State",
    "issue",
    "mispredict_cycles",
    "steady_state",
]

StallReason = Literal[
    "", "pairs", "operand", "flags", "unit", "alone", "fetch", "fp after mac", "stored just before"
]  # fmt: skip
_INFINITE_PAST: Final = -99
_MACS: Final = frozenset({"fp_fma", "fp_mla"})
# Pairs of units that one cycle can't hold. Two loads can, if their banks differ.
_EXCLUSIVE: Final = frozenset(
    {("mac", "mac"), ("store", "store"), ("fp", "fp"), ("branch", "branch"), ("mac", "store"),
     ("store", "mac")}
)  # fmt: skip
_PREDICATE_PENALTY: Final = 2


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
    # Cycles from the last setting of the flags to the last instruction, if that is a branch.
    flags_to_branch: int = 0


class _Machine:
    """The pipeline while it takes a run of instructions."""

    def __init__(self, state: State, parameters: Parameters) -> None:
        self.parameters = parameters
        self.older = state.older
        # The next instruction goes at the earliest into this cycle.
        self.cycle = 0
        self.pending: dict[str, Pending] = dict(state.pending)
        self.stores = {(base, displacement): until for base, displacement, until in state.stores}
        self.flags_set_at = -state.flags_age
        self.flags_to_branch = 0
        self.busy = state.busy
        self.mac_block = state.mac_block
        self.mla_block = state.mla_block
        self.window: int | None = None
        self.fetched_at = -state.fetch_lead
        self.jumped = state.jumped
        self.slots: list[Slot] = []

    # Operands.

    def _ready_for(self, source: Source, predicate: int, role: Role | None = None) -> int:
        """The first cycle in which this operand is there."""
        item = self.pending.get(source.register)
        if item is None:
            return _INFINITE_PAST
        role = role or source.role
        at = item.cycle + DELAYS[item.kind, role]
        if item.predicate and item.predicate != predicate:
            penalty = _PREDICATE_PENALTY if role == "beside_shift" else 1
            at = max(at, min(at + penalty, item.capped_at))
        return at

    def _operands_at(self, instruction: Instruction) -> tuple[int, StallReason]:
        latest, reason = _INFINITE_PAST, ""
        for source in instruction.sources:
            at = self._ready_for(source, instruction.predicate)
            if at > latest:
                latest, reason = at, "flags" if source.register == FLAGS else "operand"
        timing, memory = instruction.timing, instruction.memory
        if timing.waits_for_mac and self.mac_block > latest:
            latest, reason = self.mac_block, "fp after mac"
        if instruction.class_name == "fp_fma" and self.mla_block > latest:
            latest, reason = self.mla_block, "fp after mac"
        if self.stores and memory is not None and memory.is_load:
            at = self._stored_until(memory)
            if at > latest:
                latest, reason = at, "stored just before"
        return latest, reason  # type: ignore[return-value]

    def _stored_until(self, memory: Memory) -> int:
        if memory.displacement is None:
            return _INFINITE_PAST
        words = range(memory.displacement, memory.displacement + 4 * memory.words, 4)
        return max(self.stores.get((memory.base, word), _INFINITE_PAST) for word in words)

    def _goes_early(self, instruction: Instruction, cycle: int, older: Older | None) -> bool:
        """Whether it executes in EX1, so that its result is there a cycle earlier."""
        early = instruction.timing.early
        if not early or instruction.predicate:
            return False
        if older is not None and (early == "arithmetic" or older.shifter == "taken"):
            return False
        role: Role = "early" if early == "arithmetic" else "early_shift"
        return all(self._ready_for(source, 0, role) <= cycle for source in instruction.sources)

    # Pairs.

    def _pairs(self, instruction: Instruction) -> bool:
        """Whether it can go beside `self.older` in the same cycle, operands aside."""
        older, timing = self.older, instruction.timing
        if older is None or timing.alone or timing.older_only:
            return False
        refused = (
            (older.unit, timing.unit) in _EXCLUSIVE
            or (timing.shifter == "taken" and older.shifter != "")
            or (older.is_taken_branch and not self.parameters.branch_pairs_with_target)
            or (self.mac_block > self.cycle and self._macs_take_the_port(instruction, older))
            or (older.unit == timing.unit == "load" and self._banks_conflict(instruction, older))
        )
        return not refused

    def _macs_take_the_port(self, instruction: Instruction, older: Older) -> bool:
        """MACs one after the other leave no port to loads, stores and moves: but the first does."""
        if instruction.timing.mac_port:
            return older.mac != "first"
        return older.mac_port and instruction.class_name in _MACS

    def _banks_conflict(self, instruction: Instruction, older: Older) -> bool:
        memory = instruction.memory
        if memory is None or memory.displacement is None or older.bank is None:
            return self.parameters.unknown_banks_conflict
        if memory.base != older.bank_base:
            return self.parameters.unknown_banks_conflict
        return (memory.displacement >> 2) % 2 == older.bank

    # Fetch.

    def _fetch(self, instruction: Instruction) -> int:
        """The cycle in which its last halfword has been fetched: a window of 8 bytes a cycle."""
        size = self.parameters.fetch_bytes
        last = (instruction.end - 1) // size
        if self.window is None:
            first = instruction.address // size
            # A jump starts a new window; straight code may go on in the one it was in.
            inside = instruction.address % size != 0 and not self.jumped
            self.window = first if inside else first - 1
        while self.window < last:
            self.window += 1
            limit = self.cycle - self.parameters.fetch_queue
            self.fetched_at = max(self.fetched_at, limit) + 1
        return self.fetched_at

    # Issue.

    def issue(self, instruction: Instruction) -> None:
        """Issue one instruction, as early as it goes."""
        ready, reason = self._operands_at(instruction)
        fetched = self._fetch(instruction)
        if fetched > ready:
            ready, reason = fetched, "fetch"
        older = self.older
        if older is not None and ready <= self.cycle and self._pairs(instruction):
            self.slots.append(Slot(instruction, self.cycle, True, 0, "pairs"))
            self._retire(instruction, self.cycle, older)
            return
        free = self.cycle if older is None else self.cycle + 1
        if older is not None and ready < free:
            reason = "alone" if instruction.timing.alone else "unit"
        if self.busy > max(free, ready):
            ready, reason = self.busy, "unit"
        start = max(free, ready)
        if older is None and start == free:
            reason = ""
        self.slots.append(Slot(instruction, start, False, start - free, reason))
        self._retire(instruction, start, None)

    def _retire(self, instruction: Instruction, start: int, older: Older | None) -> None:
        timing = instruction.timing
        early = self._goes_early(instruction, start, older)
        end = start + self._cycles_of(instruction)
        if timing.unit == "branch":
            compares = instruction.class_name == "compare_branch"
            self.flags_to_branch = 0 if compares else start - self.flags_set_at
        self._publish(instruction, start, early=early)
        mac = self._note_units(instruction, start)
        if timing.alone or older is not None:
            self.cycle, self.older = end if timing.alone else start + 1, None
        else:
            self.cycle, self.older = start, _as_older(instruction, mac)

    def _cycles_of(self, instruction: Instruction) -> int:
        if instruction.class_name == "divide":
            return self.parameters.divide
        return instruction.issue_cycles

    def _note_units(self, instruction: Instruction, start: int) -> MacPlace:
        """Remember what it keeps busy; say whether it is a MAC, and the first after a while."""
        timing, memory = instruction.timing, instruction.memory
        if timing.unit == "fp" and not timing.alone and instruction.issue_cycles > 1:
            self.busy = start + instruction.issue_cycles
        moves_base = memory is not None and memory.base in instruction.early_results
        if memory and not memory.is_load and memory.displacement is not None and not moves_base:
            for word in range(memory.words):
                until = start + self.parameters.store_to_load
                self.stores[memory.base, memory.displacement + 4 * word] = until
        if instruction.class_name not in _MACS:
            return ""
        first = self.mac_block <= start
        self.mac_block = start + 1 + self.parameters.blocked_after_mac
        if instruction.class_name == "fp_mla":
            self.mla_block = start + 2
        return "first" if first else "next"

    def _publish(self, instruction: Instruction, start: int, *, early: bool) -> None:
        timing = instruction.timing
        at = start + self._cycles_of(instruction) - 1 + timing.latency
        if timing.unit == "fp":
            at = start + timing.latency
        kind: Kind = timing.kind
        if early:
            at, kind = start, "early"
        cap = start + self.parameters.predicate_latency if instruction.predicate else 0
        step = instruction.class_name in ("load_multiple", "fp_load_multiple")
        for number, register in enumerate(instruction.results):
            if register == FLAGS:
                self._set_flags(instruction, start)
                continue
            when = start + number // 2 + timing.latency if step else at
            self.pending[register] = Pending(when, kind, instruction.predicate, cap)
            self._forget_stores(register)
        for register in instruction.early_results:
            self.pending[register] = Pending(start, "writeback")
            self._forget_stores(register)

    def _set_flags(self, instruction: Instruction, start: int) -> None:
        self.flags_set_at = start
        kind: Kind = "late_flags" if instruction.class_name == "alu_inline_shift" else "flags"
        self.pending[FLAGS] = Pending(start + 1, kind)

    def _forget_stores(self, base: str) -> None:
        """Addresses relative to a register that changes say nothing any more."""
        if self.stores:
            self.stores = {at: until for at, until in self.stores.items() if at[0] != base}

    def boundary(self, *, jumps: bool) -> tuple[int, State]:
        """Cycles so far, and the state that crosses."""
        now, older = self.cycle, self.older
        if older is not None and jumps:
            older = older._replace(is_taken_branch=True)
        return now, State(
            older=older,
            pending=tuple(sorted(self._still_pending(now))),
            stores=tuple(sorted((*at, t - now) for at, t in self.stores.items() if t > now)),
            flags_age=min(now - self.flags_set_at, self.parameters.early_flags_age),
            busy=max(self.busy - now, 0),
            mac_block=max(self.mac_block - now, 0),
            mla_block=max(self.mla_block - now, 0),
            fetch_lead=min(max(now - self.fetched_at, 0), self.parameters.fetch_queue),
            jumped=jumps or (self.jumped and not self.slots),
        )

    def _still_pending(self, now: int) -> list[tuple[str, Pending]]:
        found = []
        for register, item in self.pending.items():
            penalty = _PREDICATE_PENALTY if item.predicate else 0
            if item.cycle + LONGEST[item.kind] + penalty > now:
                cap = item.capped_at - now if item.predicate else 0
                moved = Pending(item.cycle - now, item.kind, item.predicate, cap)
                found.append((register, moved))
        return found


def _as_older(instruction: Instruction, mac: MacPlace) -> Older:
    timing, memory = instruction.timing, instruction.memory
    older = Older(timing.unit, timing.shifter, timing.mac_port, mac)
    if timing.unit == "load" and memory is not None and memory.displacement is not None:
        return older._replace(bank_base=memory.base, bank=(memory.displacement >> 2) % 2)
    return older


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
    return Issued(cycles, after, tuple(machine.slots), machine.flags_to_branch)


def mispredict_cycles(issued: Issued, parameters: Parameters = DEFAULT_PARAMETERS) -> int:
    """What it costs if the branch that ends this code was predicted wrongly."""
    if issued.flags_to_branch >= parameters.early_flags_age:
        return parameters.mispredict_early_flags
    return parameters.mispredict


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
