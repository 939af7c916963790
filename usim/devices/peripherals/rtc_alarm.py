"""When the calendar matches an alarm of the STM32F7's real-time clock (RM0385 29.3.3, 29.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from usim.devices.peripherals.rtc_calendar import Calendar, decimal

_MSK1: Final = 1 << 7  # seconds
_MSK2: Final = 1 << 15  # minutes
_MSK3: Final = 1 << 23  # hours
_MSK4: Final = 1 << 31  # day
_WDSEL: Final = 1 << 30
_DAY_SECONDS: Final = 86_400
# Within two months there is one with every day of a month.
_DAYS: Final = 62


@dataclass(frozen=True, slots=True)
class AlarmSetting:
    """What ALRMxR and ALRMxSSR select."""

    fields: int
    subsecond_fields: int

    def next_tick(self, calendar: Calendar, after: int) -> int | None:
        """The first tick later than `after` at which all that is selected begins to match."""
        if self._subsecond(calendar.synchronous) is None:
            return None
        second = calendar.second_at(after)
        if self._matches(calendar, second):
            tick = self._tick_in(calendar, second, after)
            if tick is not None:
                return tick
        found = self._next_second(calendar, second + 1)
        return None if found is None else self._tick_in(calendar, found, after)

    def _matches(self, calendar: Calendar, second: int) -> bool:
        return self._next_second(calendar, second) == second

    def _tick_in(self, calendar: Calendar, second: int, after: int) -> int | None:
        """The first match of the subseconds in a second, if there is one after `after`."""
        begin = calendar.begin_of(second)
        if begin > after:
            latest = calendar.synchronous
        else:
            latest = calendar.subseconds(after) - 1
            if not self._compared_bits:
                return None
        value = self._subsecond(latest)
        if value is None:
            return None
        return begin + (calendar.synchronous - value) * calendar.subsecond_ticks

    @property
    def _compared_bits(self) -> int:
        """MASKSS; 0 compares none, so that a match begins with its second."""
        return self.subsecond_fields >> 24 & 0xF

    def _subsecond(self, latest: int) -> int | None:
        """The first value that matches as SSR counts down from `latest`."""
        if not self._compared_bits:
            return latest
        wanted = self.subsecond_fields & 0x7FFF
        value = latest - (latest - wanted) % (1 << self._compared_bits)
        return value if value >= 0 else None

    def _next_second(self, calendar: Calendar, second: int) -> int | None:
        """The first second from `second` on that matches, since the calendar's start."""
        moment = calendar.moment(second)
        midnight = second - (moment.hour * 60 + moment.minute) * 60 - moment.second
        earliest = second - midnight
        for days in range(_DAYS + 1):
            if self._matches_day(calendar, moment.date() + timedelta(days)):
                time = self._next_time(earliest)
                if time is not None:
                    return midnight + days * _DAY_SECONDS + time
            earliest = 0
        return None

    def _matches_day(self, calendar: Calendar, day: date) -> bool:
        if self.fields & _MSK4:
            return True
        register = calendar.day_register(day)
        if self.fields & _WDSEL:
            return register >> 13 & 7 == self.fields >> 24 & 0xF
        return register & 0x3F == self.fields >> 24 & 0x3F

    def _next_time(self, earliest: int) -> int | None:
        """The first second of a day from `earliest` on whose hour, minute and second match."""
        for hour in self._values(_MSK3, 16, 24):
            if hour * 3600 + 3599 < earliest:
                continue
            for minute in self._values(_MSK2, 8, 60):
                begin = hour * 3600 + minute * 60
                if begin + 59 < earliest:
                    continue
                for second in self._values(_MSK1, 0, 60):
                    if begin + second >= earliest:
                        return begin + second
        return None

    def _values(self, mask: int, shift: int, count: int) -> Sequence[int]:
        """What a field of the time may be."""
        if self.fields & mask:
            return range(count)
        value = decimal(self.fields >> shift & 0x7F & (0x3F if mask == _MSK3 else 0x7F))
        return (value,) if value < count else ()
