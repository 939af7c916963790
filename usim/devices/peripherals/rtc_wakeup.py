"""The wake-up timer of the STM32F7's real-time clock (RM0385 29.3.5): a periodic flag."""

from __future__ import annotations

from collections.abc import Callable

from usim.devices.events import EventQueue
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.rtc_calendar import Calendar


class WakeUpTimer:
    """Calls `elapsed` each time that it has counted down.

    A fraction of RTCCLK is counted from when the timer is enabled; the calendar's seconds are
    counted as they begin, so that the first of them may be a part of one.
    """

    def __init__(self, events: EventQueue, clock: ClockDomain, elapsed: Callable[[], None]) -> None:
        self._clock, self._elapsed = clock, elapsed
        self._alarm = Alarm(events, clock, self._count_down)
        self._step_ticks = 0  # ck_wut, in ticks of RTCCLK
        self._steps = 0
        self._by_seconds = False
        # Of a period that the calendar's stop cut.
        self._steps_left: int | None = None

    def start(self, selection: int, reload: int, calendar: Calendar) -> None:
        """With CR.WUCKSEL and WUTR."""
        self._steps = reload + 1 + (0x1_0000 if selection & 6 == 6 else 0)
        self._by_seconds = bool(selection & 4)
        self._steps_left = None
        if self._by_seconds:
            self._count_seconds(self._steps, calendar)
        else:
            self._step_ticks = 16 >> (selection & 3)
            self._alarm.set(self._clock.ticks() + self._steps * self._step_ticks)

    def stop(self) -> None:
        """No more flags."""
        self._alarm.set(None)
        self._steps_left = None

    def stop_seconds(self) -> None:
        """The calendar is being set: its seconds stand still."""
        if self._by_seconds and (due := self._alarm.tick) is not None:
            self._steps_left = -(-(due - self._clock.ticks()) // self._step_ticks)
            self._alarm.set(None)

    def resume_seconds(self, calendar: Calendar) -> None:
        """The calendar goes on, from the begin of a second."""
        if self._steps_left is not None:
            self._count_seconds(self._steps_left, calendar)
            self._steps_left = None

    def _count_seconds(self, steps: int, calendar: Calendar) -> None:
        self._step_ticks = calendar.second_ticks
        self._alarm.set(calendar.begin_of(calendar.second_at(self._clock.ticks()) + steps))

    def _count_down(self, tick: int) -> None:
        self._alarm.set(tick + self._steps * self._step_ticks)
        self._elapsed()
