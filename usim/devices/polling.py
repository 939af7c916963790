"""Loops that wait for a register to change are not run to the end, but counted.

A flag of a peripheral changes in events and in what the program writes, never by itself. So when a
load has read the same value of the same register twice, with the core's registers and all of
memory as they were, then everything happens again, and again, until the next event. Once an
iteration takes as long as the one before, those up to the event are added up instead of executed:
cycles and instructions come out as if they had been.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from usim.devices.chip_bus import Serve, Take
from usim.devices.events import EventQueue
from usim.devices.host_memory import HostMemory
from usim.devices.unicorn_engine import UnicornEngine

# Loads that find the same, before it is worth a closer look.
_PATIENCE: Final = 4
# Iterations that cost as much time as looking at memory does, and at a MiB of it.
_FEWEST: Final = 16
_FEWEST_A_MIB: Final = 64
_REGISTERS: Final = (*(f"r{i}" for i in range(15)), "xpsr")


@dataclass(frozen=True, slots=True)
class _Sight:
    """The core at a load."""

    pc: int
    registers: tuple[int, ...]
    time: int
    instructions: int

    def same_place(self, other: _Sight) -> bool:
        return (self.pc, self.registers) == (other.pc, other.registers)


class Polling:
    """Watches the loads from registers of one core."""

    def __init__(self, engine: UnicornEngine, events: EventQueue, memory: HostMemory) -> None:
        self._engine = engine
        self._events = events
        self._memory = memory
        # Off while a profile wants to see every iteration.
        self.enabled = True
        self._last: tuple[int, int, int] | None = None
        self._forget()

    def _forget(self) -> None:
        self._repeats = 0
        self._sight: _Sight | None = None
        self._period: tuple[int, int] | None = None
        self._content: list[bytes] | None = None

    def watch(self, base: int, read: Serve, write: Take) -> tuple[Serve, Take]:
        """The same accesses to registers from `base` on, watched."""

        def watched_read(offset: int, size_bytes: int) -> int:
            value = read(offset, size_bytes)
            what = base + offset, size_bytes, value
            if what != self._last:
                self._last = what
                self._forget()
            elif self.enabled:
                self._repeats += 1
                if self._repeats > _PATIENCE:
                    self._look()
            return value

        def watched_write(offset: int, size_bytes: int, value: int) -> None:
            self._last = None
            write(offset, size_bytes, value)

        return watched_read, watched_write

    def _look(self) -> None:
        before, now = self._sight, self._see()
        self._sight = now
        if before is None or not now.same_place(before):
            self._period = self._content = None
            return
        period = now.time - before.time, now.instructions - before.instructions
        steady = period == self._period
        self._period = period
        iterations = self._iterations_left(period[0])
        if not steady or iterations < self._fewest():
            self._content = None
        elif self._content is None:
            self._content = self._memory.snapshot()
        elif self._content == self._memory.snapshot():
            self._skip(iterations, *period)
        else:
            self._content = None

    def _see(self) -> _Sight:
        engine = self._engine
        registers = engine.registers.read(*_REGISTERS)
        return _Sight(engine.here(), registers, engine.time_now(), engine.executed_now())

    def _iterations_left(self, period: int) -> int:
        """How many whole ones there are before the next event, less one."""
        due = self._events.next_cycle
        if due is None or period <= 0:
            return 0
        return (due - self._events.now - 1) // period - 1

    def _fewest(self) -> int:
        return _FEWEST + _FEWEST_A_MIB * self._memory.ram_bytes // (1 << 20)

    def _skip(self, iterations: int, time: int, instructions: int) -> None:
        self._engine.skip(iterations * time, iterations * instructions)
        self._forget()
