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
    cancelled: bool = field(default=False, init=False)


class EventQueue:
    """Events in the order of their cycles, and for one cycle in the order of their scheduling.

    `now` tells the core's cycle, exact while a register is accessed too, and `bound` a cycle that
    is not before that one and sooner told; `on_change` is called whenever `next_cycle` may be
    another one.
    """

    def __init__(self, now: Callable[[], int], bound: Callable[[], int] | None = None) -> None:
        self._now = now
        self._bound = bound or now
        # By cycle and order of scheduling.
        self._heap: list[tuple[int, int, Event]] = []
        self._scheduled = 0
        # While events run, time is that of the event, not of the instruction behind it.
        self._running_at: int | None = None
        # The core may have stopped a few cycles before an event, at an instruction that waits.
        self._happened_at = 0
        self.on_change: Callable[[], None] = lambda: None

    @property
    def now(self) -> int:
        """The cycle: of the event that happens, or of the instruction that runs.

        Never before an event that has happened.
        """
        if self._running_at is not None:
            return self._running_at
        return max(self._now(), self._happened_at)

    @property
    def next_cycle(self) -> int | None:
        """When the next event is due; None if there is none."""
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def at(self, cycle: int, action: Callable[[], None]) -> Event:
        """Have `action` called at `cycle`, at once after this instruction if that is over."""
        event = Event(cycle, action)
        heapq.heappush(self._heap, (cycle, self._scheduled, event))
        self._scheduled += 1
        self._follow(cycle)
        return event

    def cancel(self, event: Event | None) -> None:
        """Have an event not happen; None and one that has happened are fine."""
        if event is not None and not event.cancelled:
            was_next = self.next_cycle == event.cycle
            event.cancelled = True
            if was_next:
                self._follow(event.cycle)

    def _follow(self, cycle: int) -> None:
        """Something is to happen at this cycle, or no more."""
        next_cycle = self.next_cycle
        # While events run, run_due tells of the change, once all have happened.
        if self._running_at is None and (next_cycle is None or next_cycle >= cycle):
            self.on_change()

    def catch_up(self) -> None:
        """Let all happen that is due by now."""
        due = self.next_cycle
        if due is not None and due <= self._bound() and due <= (now := self.now):
            self.run_due(now)

    def run_due(self, cycle: int) -> None:
        """Let all happen that is due at `cycle` or before, each at its own time."""
        next_cycle = self.next_cycle
        if next_cycle is None or next_cycle > cycle:
            return
        try:
            while (due := self.next_cycle) is not None and due <= cycle:
                _, _, event = heapq.heappop(self._heap)
                event.cancelled = True
                self._running_at = due
                self._happened_at = max(self._happened_at, due)
                event.action()
        finally:
            self._running_at = None
            self.on_change()
