"""Makes the next change of a count an event, for a program that waits for it by reading it.

A register that counts changes between events too, and a loop that waits for that has to be run to
the end. A slow one that is read twice with the same result has its change scheduled instead, and
the loop is one that waits for an event (polling.py).
"""

from __future__ import annotations

from usim.devices.events import EventQueue
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.clock_domain import ClockDomain


class CountWatch:
    """Watches the readings of one register."""

    def __init__(self, events: EventQueue, clock: ClockDomain) -> None:
        self._alarm = Alarm(events, clock, lambda _tick: None)
        self._last: int | None = None

    def note(self, value: int, changes_at: int | None) -> None:
        """The program has read `value`, which stays until a tick of the clock (None: for ever)."""
        if value == self._last:
            self._alarm.set(changes_at)
        self._last = value
