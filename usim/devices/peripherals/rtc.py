"""Real-time clock of the STM32F7 (RM0385 chapter 29, RM0410 chapter 32): calendar, alarms, wake-up.

Left out: time stamps, calibration, shifting and the 12-hour format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.count_watch import CountWatch
from usim.devices.peripherals.rtc_alarm import AlarmSetting
from usim.devices.peripherals.rtc_calendar import Calendar
from usim.devices.peripherals.rtc_wakeup import WakeUpTimer

TR: Final = 0x00
DR: Final = 0x04
CR: Final = 0x08
ISR: Final = 0x0C
PRER: Final = 0x10
WUTR: Final = 0x14
ALRMAR: Final = 0x1C
ALRMBR: Final = 0x20
WPR: Final = 0x24
SSR: Final = 0x28
ALRMASSR: Final = 0x44
ALRMBSSR: Final = 0x48
_BACKUP: Final = range(0x50, 0xD0, 4)
_ALWAYS_WRITABLE: Final = frozenset({WPR, 0x40, 0x4C, *_BACKUP})  # TAMPCR, OR

_INITS: Final = 1 << 4
_RSF: Final = 1 << 5
_INITF: Final = 1 << 6
_INIT: Final = 1 << 7
# Of ISR, cleared by zeros; those below TAMP2F without the keys too (29.3.6).
_EVENT_FLAGS: Final = 0xFF00
_EVENTS_WITHOUT_KEYS: Final = 0x3F00
_WUCKSEL: Final = 7
_KEYS: Final = (0xCA, 0x53)
# Flags follow after two periods of RTCCLK.
_SYNCHRONIZATION_TICKS: Final = 2


@dataclass(frozen=True, slots=True)
class _Unit:
    """Bits of CR and ISR that alarms and wake-up timer have alike, and the registers they guard."""

    enable: int
    interrupt: int
    flag: int
    is_writable: int
    registers: tuple[int, ...]


_ALARM_A: Final = _Unit(1 << 8, 1 << 12, 1 << 8, 1 << 0, (ALRMAR, ALRMASSR))
_ALARM_B: Final = _Unit(1 << 9, 1 << 13, 1 << 9, 1 << 1, (ALRMBR, ALRMBSSR))
_WAKE_UP: Final = _Unit(1 << 10, 1 << 14, 1 << 10, 1 << 2, (WUTR,))
_ALARMS: Final = (_ALARM_A, _ALARM_B)
_UNITS: Final = (*_ALARMS, _WAKE_UP)
_GUARDED: Final = {register: unit for unit in _UNITS for register in unit.registers}


@dataclass(frozen=True, slots=True)
class RtcLines:
    """Lines 17 and 22 of EXTI: either alarm, and the wake-up timer."""

    alarm: InterruptLine
    wake_up: InterruptLine


class RealTimeClock(RegisterBlock):
    """RTC; of all resets only that of the backup domain resets it."""

    name = "RTC"
    reset_values: ClassVar[Mapping[int, int]] = {
        **dict.fromkeys((TR, CR, WPR, SSR), 0),
        **dict.fromkeys((ALRMAR, ALRMBR, 0x3C, 0x40, ALRMASSR, ALRMBSSR, 0x4C, *_BACKUP), 0),
        DR: 0x2101,
        ISR: 0x7,
        PRER: 0x7F_00FF,
        WUTR: 0xFFFF,
    }
    register_names: ClassVar[Mapping[int, str]] = {
        TR: "TR", DR: "DR", CR: "CR", ISR: "ISR", PRER: "PRER", WUTR: "WUTR", ALRMAR: "ALRMAR",
        ALRMBR: "ALRMBR", WPR: "WPR", SSR: "SSR", 0x2C: "SHIFTR", 0x30: "TSTR", 0x34: "TSDR",
        0x38: "TSSSR", 0x3C: "CALR", 0x40: "TAMPCR", ALRMASSR: "ALRMASSR", ALRMBSSR: "ALRMBSSR",
        0x4C: "OR", **{offset: f"BKP{number}R" for number, offset in enumerate(_BACKUP)},
    }  # fmt: skip
    # TSEDGE, REFCKON, FMT, TSE, TSIE, ADD1H, SUB1H
    without_effect: ClassVar[Mapping[int, int]] = {CR: 0x0003_8858, 0x3C: 0xFFFF, 0x40: 0xFFFF}

    def __init__(
        self,
        events: EventQueue,
        clock: ClockDomain,
        is_writable: Callable[[], bool],
        lines: RtcLines,
    ) -> None:
        """`is_writable` is PWR_CR1.DBP."""
        super().__init__()
        self._clock, self._is_writable, self._lines = clock, is_writable, lines
        self._initialized = Alarm(events, clock, lambda _tick: self._raise(_INITF))
        self._synchronized = Alarm(events, clock, lambda _tick: self._raise(_RSF))
        self._unguarded = Alarm(events, clock, lambda _tick: self._follow_enables())
        self._alarms = {
            _ALARM_A: Alarm(events, clock, lambda _tick: self._match(_ALARM_A)),
            _ALARM_B: Alarm(events, clock, lambda _tick: self._match(_ALARM_B)),
        }
        self._wake_up = WakeUpTimer(events, clock, lambda: self._raise(_WAKE_UP.flag))
        self._watches = {offset: CountWatch(events, clock) for offset in (TR, DR, SSR)}
        self._keys_taken = 0
        self._start()

    def reset(self) -> None:
        """The calendar goes on, if it was being set as well; it has to be synchronised anew."""
        self._keys_taken = 0
        self._control(0)

    def power_on(self) -> None:
        """As after a reset of the backup domain."""
        super().reset()
        self._keys_taken = 0
        for alarm in (self._initialized, self._unguarded, *self._alarms.values()):
            alarm.set(None)
        self._wake_up.stop()
        self._start()
        self._drive()

    def read_word(self, offset: int) -> int:
        """TR, DR and SSR are computed from the ticks so far, unless the calendar is being set."""
        if self._values[ISR] & _INIT or offset not in (TR, DR, SSR):
            return self._values[offset]
        calendar, now = self._calendar, self._clock.ticks()
        if offset == SSR:
            value, step_ticks = calendar.subseconds(now), calendar.subsecond_ticks
        else:
            register = calendar.time_register if offset == TR else calendar.date_register
            value, step_ticks = register(now), calendar.second_ticks
        passed = (now - calendar.started_at) % step_ticks
        self._watches[offset].note(value, now - passed + step_ticks)
        return value

    def write_word(self, offset: int, value: int) -> None:
        """Behind two locks: PWR_CR1.DBP, and for most the keys of WPR."""
        if offset == WPR:
            self._take_key(value & 0xFF)
        elif self._is_writable():
            has_keys = self._keys_taken == len(_KEYS)
            if offset == ISR:
                cleared = _EVENT_FLAGS if has_keys else _EVENTS_WITHOUT_KEYS
                self._values[ISR] &= value | ~cleared
            if has_keys or offset in _ALWAYS_WRITABLE:
                self._set(offset, value)
            self._drive()

    def _set(self, offset: int, value: int) -> None:
        is_setting = self._values[ISR] & _INITF
        guard = _GUARDED.get(offset)
        if offset == ISR:
            self._control(value)
        elif offset == CR:
            self._enable(value)
        elif offset in (TR, DR, PRER):
            if is_setting:
                self._values[offset] = value
        elif guard is not None and not self._values[ISR] & guard.is_writable:
            if is_setting and guard is not _WAKE_UP:
                self._values[offset] = value
            else:
                self.log_once(f"{self.register_name(offset)} is written while in use", offset)
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
            self._wake_up.stop_seconds()
            for unit in _ALARMS:
                self._schedule(unit)
        elif was_setting and not value & _INIT:
            self._initialized.set(None)
            self._values[ISR] &= ~(_INIT | _INITF)
            self._start()
        if not value & _RSF:
            self._desynchronize()

    def _enable(self, value: int) -> None:
        """CR: alarms and wake-up timer. WUCKSEL is for a timer that is off."""
        before = self._values[CR]
        if before & _WAKE_UP.enable or not self._values[ISR] & _WAKE_UP.is_writable:
            value = value & ~_WUCKSEL | before & _WUCKSEL
        self._values[CR] = value
        changed = before ^ value
        if any(changed & unit.enable for unit in _UNITS):
            self._unguarded.set(self._clock.ticks() + _SYNCHRONIZATION_TICKS)
        for unit in _ALARMS:
            if changed & unit.enable:
                self._schedule(unit)
        if changed & value & _WAKE_UP.enable:
            self._wake_up.start(value & _WUCKSEL, self._values[WUTR] & 0xFFFF, self._calendar)
            if self._values[ISR] & _INIT:
                self._wake_up.stop_seconds()
        elif changed & _WAKE_UP.enable:
            self._wake_up.stop()

    def _follow_enables(self) -> None:
        """ALRAWF, ALRBWF and WUTWF: who is off can be set."""
        for unit in _UNITS:
            if self._values[CR] & unit.enable:
                self._values[ISR] &= ~unit.is_writable
            else:
                self._values[ISR] |= unit.is_writable

    def _schedule(self, unit: _Unit) -> None:
        """Find an alarm's next match, if it is on and the calendar runs."""
        tick = None
        if self._values[CR] & unit.enable and not self._values[ISR] & _INIT:
            setting = AlarmSetting(*(self._values[register] for register in unit.registers))
            tick = setting.next_tick(self._calendar, self._clock.ticks())
        self._alarms[unit].set(tick)

    def _match(self, unit: _Unit) -> None:
        self._raise(unit.flag)
        self._schedule(unit)

    def _desynchronize(self) -> None:
        self._values[ISR] &= ~_RSF
        self._synchronized.set(self._clock.ticks() + _SYNCHRONIZATION_TICKS)

    def _start(self) -> None:
        """Count from what TR and DR hold."""
        values = self._values
        self._calendar = Calendar.from_registers(
            values[TR], values[DR], values[PRER], self._clock.ticks()
        )
        has_year = values[DR] >> 16 & 0xFF
        values[ISR] = values[ISR] & ~_INITS | (_INITS if has_year else 0)
        self._wake_up.resume_seconds(self._calendar)
        for unit in _ALARMS:
            self._schedule(unit)
        self._desynchronize()

    def _raise(self, flag: int) -> None:
        self._values[ISR] |= flag
        self._drive()

    def _drive(self) -> None:
        """The lines to EXTI."""
        control, status = self._values[CR], self._values[ISR]
        asks = {unit: bool(control & unit.interrupt and status & unit.flag) for unit in _UNITS}
        self._lines.alarm.set(asks[_ALARM_A] or asks[_ALARM_B])
        self._lines.wake_up.set(asks[_WAKE_UP])
