"""SysTick, the core's own timer (DDI 0403E B3.3), to the cycle.

The counter goes down with its clock: from a reload on it shows RELOAD, RELOAD - 1, ... 0, and the
clock after 0 reloads it, so a period is RELOAD + 1 clocks. Reaching 0 sets COUNTFLAG and, with
TICKINT, pends the exception. The external reference is the core's clock divided by 8 on an STM32F7
(RM0385, "SysTick calibration value register").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from usim.devices.course import Course, Pace, course_of_steps
from usim.devices.events import Event, EventQueue

SYST_CSR: Final = 0xE000_E010
SYST_RVR: Final = 0xE000_E014
SYST_CVR: Final = 0xE000_E018
SYST_CALIB: Final = 0xE000_E01C

_ENABLE: Final = 1 << 0
_TICKINT: Final = 1 << 1
_CLKSOURCE: Final = 1 << 2
_COUNTFLAG: Final = 1 << 16
_BITS: Final = 0x00FF_FFFF
_EXTERNAL_DIVIDER: Final = 8
# RM0385, "SysTick calibration value register": 1 ms at 18.75 MHz.
_CALIBRATION: Final = 18_750


class SysTick:
    """SysTick of one core; `pend` makes its exception pending."""

    addresses = frozenset((SYST_CSR, SYST_RVR, SYST_CVR, SYST_CALIB))
    not_merged: frozenset[int] = frozenset()

    def __init__(self, events: EventQueue, pend: Callable[[], None]) -> None:
        self._events = events
        self._pend = pend
        self._event: Event | None = None
        self.reset()

    def reset(self) -> None:
        """Off, all zero."""
        self._events.cancel(self._event)
        self._event = None
        self._control = self._reload = 0
        self._counted_to_zero = False
        # The counter showed _value at cycle _since; it moves while the timer is enabled.
        self._value, self._since = 0, 0

    def read(self, address: int) -> int:
        """A word. Reading SYST_CSR clears COUNTFLAG."""
        if address == SYST_CSR:
            flag, self._counted_to_zero = self._counted_to_zero, False
            return self._control | (_COUNTFLAG if flag else 0)
        if address == SYST_RVR:
            return self._reload
        return self._current() if address == SYST_CVR else _CALIBRATION

    def write(self, address: int, value: int) -> None:
        """A word. Any value clears the counter: its next clock reloads it."""
        if address == SYST_CSR:
            self._settle()
            self._control = value & (_ENABLE | _TICKINT | _CLKSOURCE)
        elif address == SYST_RVR:
            self._settle()
            self._reload = value & _BITS
        elif address == SYST_CVR:
            self._value, self._since = 0, self._events.now
            self._counted_to_zero = False
        self._schedule()

    def course(self) -> Course | None:
        """How SYST_CVR goes on, down to 0; None while it stands still."""
        value = self._current()
        if not self._control & _ENABLE or not (value or self._reload):
            return None
        part = (self._events.now - self._since) % self._divider
        return course_of_steps(value, value + 1, Pace(part, 1, self._divider), down=True)

    @property
    def _divider(self) -> int:
        return 1 if self._control & _CLKSOURCE else _EXTERNAL_DIVIDER

    def _current(self) -> int:
        if not self._control & _ENABLE:
            return self._value
        clocks = (self._events.now - self._since) // self._divider
        if clocks <= self._value:
            return self._value - clocks
        # Behind 0 it goes round: RELOAD, ..., 0.
        return self._reload - (clocks - self._value - 1) % (self._reload + 1)

    def _settle(self) -> None:
        """From now on the counter goes on from what it shows."""
        now = self._events.now
        part = (now - self._since) % self._divider if self._control & _ENABLE else 0
        self._value, self._since = self._current(), now - part

    def _schedule(self) -> None:
        """When the counter reaches 0 next: with RELOAD 0, it stays there."""
        self._events.cancel(self._event)
        self._event = None
        if not self._control & _ENABLE:
            return
        clocks = self._value or self._reload + 1
        if self._value or self._reload:
            self._event = self._events.at(self._since + clocks * self._divider, self._reach_zero)

    def _reach_zero(self) -> None:
        self._value, self._since = 0, self._events.now
        self._counted_to_zero = True
        if self._control & _TICKINT:
            self._pend()
        self._schedule()
