"""What a block cost, and how it issued: the timer's records of what was executed."""

from __future__ import annotations

from dataclasses import dataclass

from usim.timing.decode import Instruction
from usim.timing.pipeline import Issued, State


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
        return in_flight(self.entry)

    @property
    def end_cycle(self) -> int:
        """The cycle in which its last instruction has been issued, counted as `issued` does."""
        return self.issued.cycles + in_flight(self.issued.state)

    @property
    def own_mispredict_cycles(self) -> int:
        """Of one misprediction, what comes on top of the branch's own cycle."""
        return self.mispredict_cycles - in_flight(self.issued.state)

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


def span(entry: State, issued: Issued) -> int:
    """Cycles of a run of code's own instructions."""
    return issued.cycles + in_flight(issued.state) - in_flight(entry)


def in_flight(state: State) -> int:
    """1 if the last instruction's cycle is not over: another one may still join it."""
    return int(state.older is not None)
