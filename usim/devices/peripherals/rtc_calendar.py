"""The calendar of the STM32F7's real-time clock, as registers hold it: BCD (RM0385 29.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Calendar:
    """A time that goes on from `base`, which was at the tick `started_at` of RTCCLK."""

    base: datetime
    weekday: int  # of `base`, 1 to 7; whatever the date, it is counted on from there
    started_at: int
    asynchronous: int
    synchronous: int

    @classmethod
    def from_registers(cls, time: int, day: int, prescalers: int, started_at: int) -> Calendar:
        """From TR, DR and PRER; fields beyond their range are cut to it."""
        month = min(max(decimal(day >> 8 & 0x1F), 1), 12)
        first = datetime(2000 + min(decimal(day >> 16 & 0xFF), 99), month, 1)
        base = first + timedelta(
            days=max(decimal(day & 0x3F), 1) - 1,
            hours=decimal(time >> 16 & 0x3F),
            minutes=decimal(time >> 8 & 0x7F),
            seconds=decimal(time & 0x7F),
        )
        weekday, asynchronous = day >> 13 & 7, prescalers >> 16 & 0x7F
        return cls(base, weekday, started_at, asynchronous, prescalers & 0x7FFF)

    @property
    def second_ticks(self) -> int:
        """A second, in ticks of RTCCLK."""
        return self.subsecond_ticks * (self.synchronous + 1)

    @property
    def subsecond_ticks(self) -> int:
        """What the subseconds count down by one in."""
        return self.asynchronous + 1

    def second_at(self, tick: int) -> int:
        """Whole seconds since `started_at`."""
        return (tick - self.started_at) // self.second_ticks

    def begin_of(self, second: int) -> int:
        """The tick at which a second begins."""
        return self.started_at + second * self.second_ticks

    def moment(self, second: int) -> datetime:
        """The date and time in a second."""
        return self.base + timedelta(seconds=second)

    def weekday_of(self, day: date) -> int:
        """1 to 7."""
        return (self.weekday - 1 + (day - self.base.date()).days) % 7 + 1

    def time_register(self, tick: int) -> int:
        """TR."""
        now = self.moment(self.second_at(tick))
        return bcd(now.hour) << 16 | bcd(now.minute) << 8 | bcd(now.second)

    def date_register(self, tick: int) -> int:
        """DR."""
        now = self.moment(self.second_at(tick))
        weekday = self.weekday_of(now.date())
        return bcd(now.year % 100) << 16 | weekday << 13 | bcd(now.month) << 8 | bcd(now.day)

    def subseconds(self, tick: int) -> int:
        """SSR, which counts down."""
        ticks = (tick - self.started_at) % self.second_ticks
        return self.synchronous - ticks // self.subsecond_ticks


def bcd(value: int) -> int:
    """Two decimal digits, four bits each."""
    return value // 10 << 4 | value % 10


def decimal(field: int) -> int:
    """What `bcd` made a field of."""
    return (field >> 4) * 10 + (field & 0xF)
