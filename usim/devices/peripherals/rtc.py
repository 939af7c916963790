"""Real-time clock of the STM32F7 (RM0385 chapter 29, RM0410 chapter 32): calendar and backup.

Left out: alarms, wake-up timer, time stamps, calibration, shifting and the 12-hour format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain

TR: Final = 0x00
DR: Final = 0x04
CR: Final = 0x08
ISR: Final = 0x0C
PRER: Final = 0x10
WPR: Final = 0x24
SSR: Final = 0x28
_BACKUP: Final = range(0x50, 0xD0, 4)
_ALWAYS_WRITABLE: Final = frozenset({WPR, 0x40, 0x4C, *_BACKUP})  # TAMPCR, OR

_INITS: Final = 1 << 4
_RSF: Final = 1 << 5
_INITF: Final = 1 << 6
_INIT: Final = 1 << 7
_KEYS: Final = (0xCA, 0x53)
# INITF and RSF follow after two periods of RTCCLK.
_SYNCHRONIZATION_TICKS: Final = 2


class RealTimeClock(RegisterBlock):
    """RTC; of all resets only that of the backup domain resets it."""

    name = "RTC"
    reset_values: ClassVar[Mapping[int, int]] = {
        **dict.fromkeys((TR, CR, WPR, SSR), 0),
        **dict.fromkeys((0x1C, 0x20, 0x3C, 0x40, 0x44, 0x48, 0x4C, *_BACKUP), 0),
        DR: 0x2101,
        ISR: 0x7,
        PRER: 0x7F_00FF,
        0x14: 0xFFFF,
    }
    register_names: ClassVar[Mapping[int, str]] = {
        TR: "TR", DR: "DR", CR: "CR", ISR: "ISR", PRER: "PRER", 0x14: "WUTR", 0x1C: "ALRMAR",
        0x20: "ALRMBR", WPR: "WPR", SSR: "SSR", 0x2C: "SHIFTR", 0x30: "TSTR", 0x34: "TSDR",
        0x38: "TSSSR", 0x3C: "CALR", 0x40: "TAMPCR", 0x44: "ALRMASSR", 0x48: "ALRMBSSR",
        0x4C: "OR", **{offset: f"BKP{number}R" for number, offset in enumerate(_BACKUP)},
    }  # fmt: skip
    without_effect: ClassVar[Mapping[int, int]] = {CR: 0x0000_FF4F, 0x3C: 0xFFFF, 0x40: 0xFFFF}
    counting: ClassVar[frozenset[int]] = frozenset((TR, DR, SSR))

    def __init__(
        self, events: EventQueue, clock: ClockDomain, is_writable: Callable[[], bool]
    ) -> None:
        """`is_writable` is PWR_CR1.DBP."""
        super().__init__()
        self._clock, self._is_writable = clock, is_writable
        self._initialized = Alarm(events, clock, lambda _tick: self._raise(_INITF))
        self._synchronized = Alarm(events, clock, lambda _tick: self._raise(_RSF))
        self._keys_taken = 0
        self._start()

    def reset(self) -> None:
        """The calendar goes on; it has to be synchronised anew."""
        self._keys_taken = 0
        self._desynchronize()

    def power_on(self) -> None:
        """As after a reset of the backup domain."""
        super().reset()
        self._keys_taken = 0
        self._initialized.set(None)
        self._start()

    def read_word(self, offset: int) -> int:
        """TR, DR and SSR are computed from the ticks so far, unless the calendar is being set."""
        if self._values[ISR] & _INIT or offset not in (TR, DR, SSR):
            return self._values[offset]
        seconds, ticks = divmod(self._clock.ticks() - self._started_at, self._second_ticks())
        now = self._base + timedelta(seconds=seconds)
        if offset == SSR:
            return self._synchronous() - ticks // (self._asynchronous() + 1)
        if offset == TR:
            return _time_register(now)
        # The day of the week is counted, whatever the date.
        days = (now.date() - self._base.date()).days
        weekday = ((self._values[DR] >> 13 & 7) - 1 + days) % 7 + 1
        return _date_register(now) | weekday << 13

    def write_word(self, offset: int, value: int) -> None:
        """Behind two locks: PWR_CR1.DBP, and for most the keys of WPR."""
        if offset == WPR:
            self._take_key(value & 0xFF)
        elif self._is_writable() and (offset in _ALWAYS_WRITABLE or self._keys_taken == len(_KEYS)):
            self._set(offset, value)

    def _set(self, offset: int, value: int) -> None:
        is_setting = self._values[ISR] & _INITF
        if offset == ISR:
            self._control(value)
        elif offset in (TR, DR, PRER):
            if is_setting:
                self._values[offset] = value
        elif offset != SSR:
            self._values[offset] = value

    def _take_key(self, key: int) -> None:
        if self._keys_taken < len(_KEYS) and key == _KEYS[self._keys_taken]:
            self._keys_taken += 1
        else:
            self._keys_taken = int(key == _KEYS[0])

    def _control(self, value: int) -> None:
        """INIT stops the calendar to be set, and starts it again; RSF is cleared by zero."""
        was_setting = self._values[ISR] & _INIT
        if value & _INIT and not was_setting:
            for register in (TR, DR):
                self._values[register] = self.read_word(register)
            self._values[ISR] |= _INIT
            self._initialized.set(self._clock.ticks() + _SYNCHRONIZATION_TICKS)
        elif was_setting and not value & _INIT:
            self._initialized.set(None)
            self._values[ISR] &= ~(_INIT | _INITF)
            self._start()
        if not value & _RSF:
            self._desynchronize()

    def _desynchronize(self) -> None:
        self._values[ISR] &= ~_RSF
        self._synchronized.set(self._clock.ticks() + _SYNCHRONIZATION_TICKS)

    def _start(self) -> None:
        """Count from what TR and DR hold."""
        self._base = _calendar(self._values[TR], self._values[DR])
        self._started_at = self._clock.ticks()
        has_year = self._values[DR] >> 16 & 0xFF
        self._values[ISR] = self._values[ISR] & ~_INITS | (_INITS if has_year else 0)
        self._desynchronize()

    def _raise(self, flag: int) -> None:
        self._values[ISR] |= flag

    def _asynchronous(self) -> int:
        return self._values[PRER] >> 16 & 0x7F

    def _synchronous(self) -> int:
        return self._values[PRER] & 0x7FFF

    def _second_ticks(self) -> int:
        return (self._asynchronous() + 1) * (self._synchronous() + 1)


def _bcd(value: int) -> int:
    return value // 10 << 4 | value % 10


def _decimal(field: int) -> int:
    return (field >> 4) * 10 + (field & 0xF)


def _time_register(now: datetime) -> int:
    return _bcd(now.hour) << 16 | _bcd(now.minute) << 8 | _bcd(now.second)


def _date_register(now: datetime) -> int:
    return _bcd(now.year % 100) << 16 | _bcd(now.month) << 8 | _bcd(now.day)


def _calendar(time: int, date: int) -> datetime:
    """The date that registers hold; fields beyond their range are cut to it."""
    month = min(max(_decimal(date >> 8 & 0x1F), 1), 12)
    first = datetime(2000 + min(_decimal(date >> 16 & 0xFF), 99), month, 1)
    return first + timedelta(
        days=max(_decimal(date & 0x3F), 1) - 1,
        hours=_decimal(time >> 16 & 0x3F),
        minutes=_decimal(time >> 8 & 0x7F),
        seconds=_decimal(time & 0x7F),
    )
