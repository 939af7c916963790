"""Loops that wait for something to change are not run to the end, but counted.

Memory and a peripheral's flags change in events and by what the program does, never by themselves.
So when the core comes to a place with its registers, all of memory and the timing model's state as
they were there before, and has written no peripheral since, then everything happens again, and
again, until the next event. The rounds up to there are added up instead of executed: cycles and
instructions come out as if they had been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from usim.devices.chip_bus import Serve, Take
from usim.devices.events import EventQueue
from usim.devices.host_memory import HostMemory
from usim.devices.registers import REGISTER_IDS
from usim.devices.unicorn_engine import UnicornEngine

# Time that is left to the next event in which it does not pay to look, and where each round loads
# from a register, which takes the host as long as a hundred instructions.
_SHORT: Final = 2_000
_SHORT_FOR_LOADS: Final = 300
# Loads that find the same, before a loop is looked for at once.
_PATIENCE: Final = 6
# Rounds in which the timing model may be in another state each time.
_TRIES: Final = 4
# Rounds that take the host as long as looking does, and as looking at another MiB of memory.
_FEWEST: Final = 16
_FEWEST_A_MIB: Final = 64
# Loads from registers in one round.
_MOST_LOADS: Final = 64
# A place whose memory had changed is left alone for so many instructions, and each time for twice
# as many.
_FIRST_REFUSAL: Final = 500_000
_LONGEST_REFUSAL: Final = 1 << 6
# The finder has compared r0 to r12.
_OTHERS: Final = tuple(name for name in REGISTER_IDS if name not in {f"r{i}" for i in range(16)})

Load = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Sight:
    """The core where a round begins: the timing model's state, that of registers and memory.

    `loads` are those from peripherals' registers in the round before, None if it was not seen.
    """

    place: int
    time: int
    instructions: int
    timing: int
    content: tuple[object, ...]
    loads: tuple[Load, ...] | None


class Polling:
    """Watches one core for loops that wait.

    `changes_with_time` tells of a register's address whether it is a counter or the like.
    """

    def __init__(
        self,
        engine: UnicornEngine,
        events: EventQueue,
        memory: HostMemory,
        changes_with_time: Callable[[int], bool],
    ) -> None:
        self._engine = engine
        self._events = events
        self._memory = memory
        self._changes_with_time = changes_with_time
        self._refused: dict[int, int] = {}
        # Instructions that were counted, and not run.
        self.skipped = 0
        self.enable(enabled=True)

    def enable(self, *, enabled: bool) -> None:
        """Off while a profile wants to see every round."""
        self._engine.loop_finder.enable(enabled=enabled)
        self._begin()

    def _begin(self) -> None:
        self._last: _Sight | None = None
        self._tries = 0
        self._last_load: Load | None = None
        self._same_loads = 0
        self._loads: list[Load] = []
        self._counting_reads = 0
        self._is_disturbed = False

    def forget(self) -> None:
        """The run was ended by something else: an event, an exception, the host."""
        self._engine.loop_finder.forget()
        self._begin()

    def watch(self, base: int, read: Serve, write: Take) -> tuple[Serve, Take]:
        """The same accesses to registers from `base` on, watched."""

        def watched_read(offset: int, size_bytes: int) -> int:
            value = read(offset, size_bytes)
            self._note((base + offset, size_bytes, value))
            return value

        def watched_write(offset: int, size_bytes: int, value: int) -> None:
            self._is_disturbed, self._same_loads = True, 0
            write(offset, size_bytes, value)

        return watched_read, watched_write

    def watch_flash(self, store: Callable[[int, bytes], bool]) -> Callable[[int, bytes], bool]:
        """The same stores to read-only memory, watched: that is not looked at for changes."""

        def watched_store(address: int, data: bytes) -> bool:
            self._is_disturbed = True
            return store(address, data)

        return watched_store

    def _note(self, load: Load) -> None:
        if self._last is not None:
            if len(self._loads) == _MOST_LOADS or self._changes_with_time(load[0]):
                self._is_disturbed = True
            self._loads.append(load)
        elif load != self._last_load:
            self._last_load, self._same_loads = load, 0
        else:
            self._same_loads += 1
            if self._same_loads == _PATIENCE:
                self._engine.loop_finder.hurry()

    def look(self, place: int) -> None:
        """The core is at `place`, with the registers that it had there before."""
        left = self._time_left()
        if left < (_SHORT_FOR_LOADS if self._same_loads >= _PATIENCE else _SHORT):
            self._refuse(left)
            return
        before, loads = self._last, tuple(self._loads)
        is_disturbed, self._is_disturbed = self._is_disturbed or self._has_read_time(), False
        self._loads = []
        if before is None or before.place != place:
            self._last = self._see(place, None)
        elif is_disturbed or before.loads not in (None, loads):
            self._leave_alone(place)
        elif before.loads is not None:
            # A round began in the state that the one before had ended in, and found the same.
            self._skip(left, before)
        else:
            self._compare(left, before, self._see(place, loads))

    def _has_read_time(self) -> bool:
        """Whether counters were loaded since this was asked before, without a call from there."""
        before, self._counting_reads = self._counting_reads, self._engine.counter.counting_reads
        return before != self._counting_reads

    def _compare(self, left: int, before: _Sight, now: _Sight) -> None:
        """The first round that was seen is over."""
        if now.content != before.content:
            self._leave_alone(now.place)
        elif now.timing != before.timing and self._tries < _TRIES:
            self._tries += 1
            self._last = replace(now, loads=None)
        elif now.timing != before.timing:
            self._leave_alone(now.place)
        elif now.loads:
            self._last = now
        else:
            self._skip(left, before)

    def _see(self, place: int, loads: tuple[Load, ...] | None) -> _Sight:
        engine = self._engine
        timing = engine.timer.state() if engine.timer is not None else 0
        content = engine.registers.read(*_OTHERS), self._memory.snapshot()
        return _Sight(place, engine.time_now(), engine.executed_now(), timing, content, loads)

    def _time_left(self) -> int:
        due = self._events.next_cycle
        return 0 if due is None else due - self._events.now

    def _skip(self, left: int, before: _Sight) -> None:
        """Count the rounds that are over before the next event, but the last of them."""
        time = self._engine.time_now() - before.time
        instructions = self._engine.executed_now() - before.instructions
        rounds = (left - 1) // time - 1
        if rounds >= _FEWEST + _FEWEST_A_MIB * self._memory.ram_bytes // (1 << 20):
            self._engine.skip(rounds * time, rounds * instructions)
            self.skipped += rounds * instructions
            left -= rounds * time
        self._refuse(left * instructions // time)

    def _leave_alone(self, place: int) -> None:
        times = min(2 * self._refused.get(place, 1), _LONGEST_REFUSAL)
        self._refused[place] = times
        self._refuse(_FIRST_REFUSAL * times)

    def _refuse(self, instructions: int) -> None:
        self._engine.loop_finder.refuse(instructions)
        self._begin()
