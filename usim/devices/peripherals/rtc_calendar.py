"""The calendar of the STM32F7's real-time clock, as registers hold it: BCD (RM0385 29.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Calendar:
    """A time that goes on from `base`, which was at the tick `started_at` of RTCCLK.

    `first_day` is DR as it was set. Until midnight it stays so, and alarms compare with it, even if
    there is no such date: day 0 comes before the first, as ST's driver has it.
    """

    base: datetime
    first_day: int
    started_at: int
    asynchronous: int
    synchronous: int

    @classmethod
    def from_registers(cls, time: int, day: int, prescalers: int, started_at: int) -> Calendar:
        """From TR, DR and PRER; other fields beyond their range are cut to it."""
        month = min(max(decimal(day >> 8 & 0x1F), 1), 12)
        first = datetime(2000 + min(decimal(day >> 16 & 0xFF), 99), month, 1)
        base = first + timedelta(
            days=decimal(day & 0x3F) - 1,
            hours=decimal(time >> 16 & 0x3F),
            minutes=decimal(time >> 8 & 0x7F),
            seconds=decimal(time & 0x7F),
        )
        asynchronous, synchronous = prescalers >> 16 & 0x7F, prescalers & 0x7FFF
        return cls(base, day, started_at, asynchronous, synchronous)

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

    def day_register(self, day: date) -> int:
        """DR on a day; the weekday is counted on from the first, whatever the date."""
        days = (day - self.base.date()).days
        if not days:
            return self.first_day
        weekday = ((self.first_day >> 13 & 7) - 1 + days) % 7 + 1
        return bcd(day.year % 100) << 16 | weekday << 13 | bcd(day.month) << 8 | bcd(day.day)

    def time_register(self, tick: int) -> int:
        """TR."""
        now = self.moment(self.second_at(tick))
        return bcd(now.hour) << 16 | bcd(now.minute) << 8 | bcd(now.second)

    def date_register(self, tick: int) -> int:
        """DR."""
        return self.day_register(self.moment(self.second_at(tick)).date())

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
