"""Makes the next change of a count an event, for a program that waits for it by reading it.

A register that changes with its clock and not in an event would look as if it did not change at
all to who passes over the iterations of a polling loop (polling.py).
"""

from __future__ import annotations

from typing import Final

from usim.devices.events import EventQueue
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.clock_domain import ClockDomain

# Equal readings that are no polling yet: of a counter beside a clock of its own each is read twice.
_PATIENCE: Final = 8


class CountWatch:
    """Watches the readings of one count."""

    def __init__(self, events: EventQueue, clock: ClockDomain) -> None:
        self._alarm = Alarm(events, clock, lambda _tick: None)
        self._last: int | None = None
        self._repeats = 0

    def note(self, value: int, changes_at: int | None) -> None:
        """The program has read `value`, which stays until a tick of the clock (None: stays)."""
        if value != self._last:
            self._last, self._repeats = value, 0
            return
        self._repeats += 1
        if self._repeats >= _PATIENCE:
            self._alarm.set(changes_at)
