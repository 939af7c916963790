"""What is going to happen on the chip at which core cycle: timers, bytes on a line, deadlines.

Time is counted in cycles of the core's clock (in instructions where only those are counted), since
the device was opened; it goes on through resets and while the core sleeps.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Event:
    """Something that happens at `cycle`, unless it is cancelled first."""

    cycle: int
    action: Callable[[], None]
    order: int
    cancelled: bool = field(default=False, init=False)

    def __lt__(self, other: Event) -> bool:
        return (self.cycle, self.order) < (other.cycle, other.order)


class EventQueue:
    """Events in the order of their cycles, and for one cycle in the order of their scheduling.

    `now` tells the core's cycle, exact while a register is accessed too; `on_change` is called
    whenever `next_cycle` may be another one.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._heap: list[Event] = []
        self._scheduled = 0
        # While events run, time is that of the event, not of the instruction behind it.
        self._running_at: int | None = None
        self.on_change: Callable[[], None] = lambda: None

    @property
    def now(self) -> int:
        """The cycle: of the event that happens, or of the instruction that runs."""
        return self._now() if self._running_at is None else self._running_at

    @property
    def next_cycle(self) -> int | None:
        """When the next event is due; None if there is none."""
        while self._heap and self._heap[0].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0].cycle if self._heap else None

    def at(self, cycle: int, action: Callable[[], None]) -> Event:
        """Have `action` called at `cycle`, at once after this instruction if that is over."""
        event = Event(cycle, action, self._scheduled)
        self._scheduled += 1
        heapq.heappush(self._heap, event)
        self.on_change()
        return event

    def cancel(self, event: Event | None) -> None:
        """Have an event not happen; None and one that has happened are fine."""
        if event is not None and not event.cancelled:
            event.cancelled = True
            self.on_change()

    def run_due(self, cycle: int) -> None:
        """Let all happen that is due at `cycle` or before, each at its own time."""
        while (due := self.next_cycle) is not None and due <= cycle:
            event = heapq.heappop(self._heap)
            event.cancelled = True
            self._running_at = due
            try:
                event.action()
            finally:
                self._running_at = None
        self.on_change()
