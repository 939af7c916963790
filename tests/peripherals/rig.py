"""A peripheral on a bench: a clock that the test turns, lines that remember what they carried."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from usim.devices.events import EventQueue
from usim.devices.peripherals.clock_domain import ClockDomain


class RecordingLine:
    """What an interrupt line carried: levels with their cycles."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.level = False
        self.edges: list[tuple[int, bool]] = []
        self.pulses: list[int] = []

    def set(self, level: bool) -> None:
        if level != self.level:
            self.level = level
            self.edges.append((self._bench.events.now, level))

    def pulse(self) -> None:
        self.pulses.append(self._bench.events.now)

    @property
    def rises(self) -> list[int]:
        return [cycle for cycle, level in self.edges if level]


class Bench:
    """Core cycles that pass when the test says so."""

    def __init__(self) -> None:
        self.cycle = 0
        self.events = EventQueue(lambda: self.cycle)

    def line(self) -> RecordingLine:
        return RecordingLine(self)

    def domain(self, rate: Fraction | int = 1) -> ClockDomain:
        domain = ClockDomain(self.events)
        domain.set_rate(Fraction(rate))
        return domain

    def change(self, domain: ClockDomain, rate: Fraction | int) -> None:
        domain.set_rate(Fraction(rate))
        domain.announce()

    def run_to(self, cycle: int) -> None:
        """Let everything happen up to a cycle."""
        self.events.run_due(cycle)
        self.cycle = cycle

    def run(self, cycles: int) -> None:
        self.run_to(self.cycle + cycles)

    def cycles_until(self, condition: Callable[[], bool], limit: int = 10**9) -> int:
        """Go from event to event until something is so; how long that took."""
        begin = self.cycle
        while not condition():
            due = self.events.next_cycle
            assert due is not None, "nothing is going to happen any more"
            assert due - begin <= limit
            self.run_to(due)
        return self.cycle - begin
