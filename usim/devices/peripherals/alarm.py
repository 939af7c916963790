"""Something that is to happen at a tick of one of the chip's clocks."""

from __future__ import annotations

from collections.abc import Callable

from usim.devices.events import Event, EventQueue
from usim.devices.peripherals.clock_domain import ClockDomain


class Alarm:
    """Calls `action` with the tick that its domain reaches, whatever the clock does until then."""

    def __init__(
        self, events: EventQueue, domain: ClockDomain, action: Callable[[int], None]
    ) -> None:
        self._events, self._domain, self._action = events, domain, action
        self._event: Event | None = None
        self._tick: int | None = None
        domain.on_change(self._reschedule)

    @property
    def tick(self) -> int | None:
        """When it is due; None while it is not set."""
        return self._tick

    def set(self, tick: int | None) -> None:
        """Have it happen at `tick` instead of what was set before; None: not at all."""
        if tick != self._tick or self._event is None:
            self._tick = tick
            self._reschedule()

    def _reschedule(self) -> None:
        self._events.cancel(self._event)
        self._event = None
        if self._tick is None:
            return
        cycle = self._domain.cycle_of(self._tick)
        if cycle is not None:
            self._event = self._events.at(max(cycle, self._events.now), self._ring)

    def _ring(self) -> None:
        tick = self._tick
        self._event = self._tick = None
        assert tick is not None
        self._action(tick)
