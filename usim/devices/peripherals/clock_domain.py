"""Ticks of one of the chip's clocks, counted against the core's.

A domain ticks at a rational number of ticks a core cycle. Its count is exact through any number of
changes of either clock: what was reached stays, fractions of a tick included.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import lcm

from usim.devices.course import Pace
from usim.devices.events import EventQueue


class ClockDomain:
    """A clock. It stands still until `set_rate` is called."""

    def __init__(self, events: EventQueue) -> None:
        self._events = events
        self._since = 0  # the core cycle at which the rate was set
        self._listeners: list[Callable[[], None]] = []
        self._rate = Fraction(0)
        # ticks = (phase + cycles since * step) / scale, in integers.
        self._phase, self._step, self._scale = 0, 0, 1

    @property
    def rate(self) -> Fraction:
        """Ticks a core cycle; 0 while the clock stands still."""
        return self._rate

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after each change of the rate: its events' cycles are others."""
        self._listeners.append(listener)

    def ticks(self) -> int:
        """Whole ticks so far; never fewer than before."""
        return self.ticks_at(self._events.now)

    def ticks_at(self, cycle: int) -> int:
        """Whole ticks by a core cycle, at the present rate."""
        return (self._phase + (cycle - self._since) * self._step) // self._scale

    def pace(self) -> Pace:
        """How its ticks go on from now, at the present rate."""
        reached = self._phase + (self._events.now - self._since) * self._step
        return Pace(reached % self._scale, self._step, self._scale)

    def cycle_of(self, tick: int) -> int | None:
        """The first core cycle at which `ticks()` is at least `tick`; None if it never will be."""
        missing = tick * self._scale - self._phase
        if not self._step:
            return self._since if missing <= 0 else None
        return self._since - (-missing // self._step)

    def set_rate(self, rate: Fraction) -> bool:
        """Go on at another rate from now on; whether it is another. Listeners are told later."""
        if rate == self._rate:
            return False
        now = self._events.now
        reached = Fraction(self._phase + (now - self._since) * self._step, self._scale)
        self._rate, self._since = rate, now
        self._scale = lcm(reached.denominator, rate.denominator)
        self._phase = reached.numerator * (self._scale // reached.denominator)
        self._step = rate.numerator * (self._scale // rate.denominator)
        return True

    def announce(self) -> None:
        """Tell the listeners of a change, once every domain has made it."""
        for listener in self._listeners:
            listener()
