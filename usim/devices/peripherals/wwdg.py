"""Window watchdog of the STM32F7 (RM0385 chapter 28, RM0410 chapter 31).

Its clock is PCLK1 / 4096, which WDGTB divides further; that prescaler runs on whatever is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from usim.devices.course import Course, course_of_steps
from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.reset_cause import ResetCause

CR: Final = 0x00
CFR: Final = 0x04
SR: Final = 0x08
PRESCALER: Final = 4096

_T: Final = 0x7F
_WDGA: Final = 1 << 7
_EWI: Final = 1 << 9
_EWIF: Final = 1 << 0
_LAST: Final = 0x40  # the early wake-up; a step below is the reset


class WindowWatchdog(RegisterBlock):
    """WWDG: to be reloaded neither too late nor too early."""

    name = "WWDG"
    reset_values: ClassVar[Mapping[int, int]] = {CR: _T, CFR: _T, SR: 0}
    register_names: ClassVar[Mapping[int, str]] = {CR: "CR", CFR: "CFR", SR: "SR"}

    def __init__(
        self,
        events: EventQueue,
        clock: ClockDomain,
        line: InterruptLine,
        request_reset: Callable[[ResetCause], None],
    ) -> None:
        super().__init__()
        self._clock, self._line = clock, line
        self._request_reset = request_reset
        self._early = Alarm(events, clock, self._wake_up)
        self._expiry = Alarm(events, clock, lambda _tick: request_reset(ResetCause.WWDG))
        self._written_at = 0

    @property
    def is_running(self) -> bool:
        """Whether it resets the chip unless it is reloaded."""
        return bool(self._values[CR] & _WDGA)

    def reset(self) -> None:
        """Off."""
        super().reset()
        self._written_at = self._clock.ticks()
        self._arm()
        self._update()

    def courses(self) -> Mapping[int, Callable[[], Course | None]]:
        """CR, where the counter is."""
        return {CR: self._course}

    def _course(self) -> Course | None:
        if not self._clock.rate:
            return None
        divider = 1 << self._shift()
        pace = self._clock.pace().divided(divider, self._clock.ticks() % divider)
        return course_of_steps(self.read_word(CR), self._count() + 1, pace, down=True)

    def read_word(self, offset: int) -> int:
        """CR counts down."""
        if offset == CR:
            return self._values[CR] & _WDGA | self._count()
        return self._values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """A counter written above the window, or without T6, is a reset; WDGA and EWI stay set."""
        if offset == SR:
            self._values[SR] &= value
        elif offset == CFR:
            # What was counted so far was counted at the old prescaler.
            self._set_count(self._count())
            self._values[CFR] = value & 0x3FF | self._values[CFR] & _EWI
            self._arm()
        else:
            is_on = self._values[CR] & _WDGA
            too_early = is_on and self._count() > self._values[CFR] & _T
            self._values[CR] |= value & _WDGA
            self._set_count(value & _T)
            self._arm()
            if too_early or (self._values[CR] & _WDGA and not value & _LAST):
                self._request_reset(ResetCause.WWDG)
        self._update()

    def _set_count(self, count: int) -> None:
        self._values[CR] = self._values[CR] & _WDGA | count
        self._written_at = self._clock.ticks()

    def _shift(self) -> int:
        return self._values[CFR] >> 7 & 3

    def _count(self) -> int:
        shift = self._shift()
        passed = (self._clock.ticks() >> shift) - (self._written_at >> shift)
        return (self._values[CR] & _T) - passed & _T

    def _arm(self) -> None:
        """When it gets to 0x40, and to 0x3F."""
        left = (self._values[CR] & _T) - _LAST
        if not self._values[CR] & _WDGA or left < 0:
            self._early.set(None)
            self._expiry.set(None)
            return
        shift = self._shift()
        now = self._written_at >> shift
        self._early.set(now + left << shift if left else None)
        self._expiry.set(now + left + 1 << shift)

    def _wake_up(self, _tick: int) -> None:
        self._values[SR] |= _EWIF
        self._update()

    def _update(self) -> None:
        self._line.set(bool(self._values[SR] & _EWIF and self._values[CFR] & _EWI))
