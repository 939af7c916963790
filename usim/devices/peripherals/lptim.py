"""Low-power timer of the STM32F7 (RM0385 chapter 26, RM0410 chapter 29): LPTIM1, on its own clock.

Left out: what comes from pins (external clock and trigger, encoder) and what goes to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.count_watch import CountWatch
from usim.devices.peripherals.ticked_block import TickedBlock
from usim.devices.peripherals.tim_counter import Buffered, Counter

ISR: Final = 0x00
ICR: Final = 0x04
IER: Final = 0x08
CFGR: Final = 0x0C
CR: Final = 0x10
CMP: Final = 0x14
ARR: Final = 0x18
CNT: Final = 0x1C

_CMPM: Final = 1 << 0
_ARRM: Final = 1 << 1
_CMPOK: Final = 1 << 3
_ARROK: Final = 1 << 4
_FLAGS: Final = 0x7F
_ENABLE: Final = 1 << 0
_SNGSTRT: Final = 1 << 1
_CNTSTRT: Final = 1 << 2
_WAVE: Final = 1 << 20
_PRELOAD: Final = 1 << 22
_CFGR_WRITABLE: Final = 0x01FE_EEDF
# CKSEL, TRIGEN, COUNTMODE and ENC: with any of them a pin decides when it counts.
_BY_PINS: Final = 1 << 0 | 3 << 17 | 1 << 23 | 1 << 24
_MASK: Final = 0xFFFF
# Of the counter's clock, from ENABLE until it counts (LPTIM_CR.ENABLE).
_ENABLING_COUNTS: Final = 2
# Of the kernel clock, from a write of ARR or CMP until ARROK or CMPOK. The manual gives no figure;
# about three were measured on an STM32L4's (the FreeRTOS port LPTIM-Tick).
_TRANSFER_TICKS: Final = 3
# A flag is set a count after CNT has reached its value: CMPM as measured (LPTIM-Tick), and ARRM,
# which is at the roll-over then, as Zephyr's driver has it: it adds a period to CNT with ARRM set.
_FLAG_COUNTS: Final = 1


class LowPowerTimer(TickedBlock):
    """LPTIM1, counting up from zero to ARR; flags are set a count after ARR and CMP."""

    name = "LPTIM1"
    reset_values: ClassVar[Mapping[int, int]] = {
        **dict.fromkeys((ISR, ICR, IER, CFGR, CR, CMP, CNT), 0),
        ARR: 1,
    }
    register_names: ClassVar[Mapping[int, str]] = {
        ISR: "ISR", ICR: "ICR", IER: "IER", CFGR: "CFGR", CR: "CR", CMP: "CMP", ARR: "ARR",
        CNT: "CNT",
    }  # fmt: skip
    cleared_by_ones: ClassVar[frozenset[int]] = frozenset({ICR})

    def __init__(self, events: EventQueue, clock: ClockDomain, line: InterruptLine) -> None:
        """`clock` is the kernel clock, before the prescaler."""
        super().__init__(clock)
        self._line = line
        self._alarm = Alarm(events, clock, self._advance_to)
        self._transfers = {
            ARR: Alarm(events, clock, lambda tick: self._take_over(ARR, tick)),
            CMP: Alarm(events, clock, lambda tick: self._take_over(CMP, tick)),
        }
        self._watch = CountWatch(events, clock)
        self._restart()

    def read_word(self, offset: int) -> int:
        """CNT comes from the counter."""
        if offset != CNT:
            return self._values[offset]
        counter = self._counter
        next_count = counter.prescaler.active + 1 - counter.prescaled
        self._watch.note(counter.value, self._reached + next_count if counter.runs else None)
        return counter.value

    def write_word(self, offset: int, value: int) -> None:
        """ICR clears; ARR and CMP are handed over to the kernel's clock, while enabled only.

        IER and CFGR are for a disabled timer, says the manual, and does not say what else happens:
        they are taken, with a warning.
        """
        if offset == ICR:
            self._values[ISR] &= ~value
        elif offset == CR:
            self._control(value)
        elif offset in self._transfers:
            self._hand_over(offset, value & _MASK)
        elif offset in (IER, CFGR):
            if self._is_enabled:
                self._warn(offset, "is written while the timer is enabled")
            self._values[offset] = value & (_FLAGS if offset == IER else _CFGR_WRITABLE)
        self._settle()

    @property
    def _is_enabled(self) -> bool:
        return bool(self._values[CR] & _ENABLE)

    def _restart(self) -> None:
        """The kernel's logic as after a reset; what it compares with stays."""
        for transfer in self._transfers.values():
            transfer.set(None)
        flagged_at, reload = self._values[CMP] + _FLAG_COUNTS, self._values[ARR]
        compare = Buffered(flagged_at, flagged_at)
        self._counter = Counter(_MASK, Buffered(reload, reload), compare=(compare,), comparing=1)
        self._reached = self._ready_at = self._clock.ticks()
        self._was_started = False

    def _control(self, value: int) -> None:
        """Starts are for an enabled timer, and read as zero; disabling stops and zeroes it."""
        if not value & _ENABLE:
            self._values[CR] = 0
            self._restart()
            return
        if not self._is_enabled:
            self._values[CR] = _ENABLE
            self._restart()
            self._counter.prescaler = Buffered(self._prescaler(), self._prescaler())
            self._ready_at += _ENABLING_COUNTS * (self._prescaler() + 1)
        elif value & (_SNGSTRT | _CNTSTRT):
            self._start(once=not value & _CNTSTRT)

    def _start(self, *, once: bool) -> None:
        """Count, or go on counting in the other mode; with WAVE a single start is the only one."""
        if self._values[CFGR] & _BY_PINS:
            self._warn(CFGR, "selects a clock or a trigger from pins, so that it stands")
            return
        counter = self._counter
        counter.one_pulse = once
        if counter.enabled or (once and self._was_started and self._values[CFGR] & _WAVE):
            return
        self._was_started = True
        for buffered in (counter.reload, *counter.compare):
            buffered.load()
        counter.enabled = True
        self._reached = max(self._clock.ticks(), self._ready_at)

    def _hand_over(self, offset: int, value: int) -> None:
        if not self._is_enabled:
            self._warn(offset, "is written while the timer is disabled, without effect")
            return
        self._values[offset] = value
        self._transfers[offset].set(self._clock.ticks() + _TRANSFER_TICKS)

    def _take_over(self, offset: int, tick: int) -> None:
        """A value has reached the kernel; with PRELOAD it waits for the end of the period.

        A compare value behind the count matches at once, unless the one before was behind as well.
        """
        self._advance_to(tick)
        counter = self._counter
        was_behind = self._is_compare_behind()
        buffered = counter.reload if offset == ARR else counter.compare[0]
        buffered.written = self._values[offset] + (_FLAG_COUNTS if offset == CMP else 0)
        if not self._values[CFGR] & _PRELOAD or not counter.enabled:
            buffered.load()
        self._values[ISR] |= _ARROK if offset == ARR else _CMPOK
        if offset == CMP and self._is_compare_behind() and not was_behind:
            self._values[ISR] |= _CMPM
        self._settle()

    def _is_compare_behind(self) -> bool:
        """The timer compares with CNT >= CMP and CNT != ARR, and flags that this begins.

        Measured on STM32L0 and STM32L4 (Sub-IoT's driver, LPTIM-Tick), whose timer is the same.
        """
        counter = self._counter
        flagged_at = counter.compare[0].active
        return counter.enabled and flagged_at <= counter.value != counter.reload.active

    def _prescaler(self) -> int:
        return (1 << (self._values[CFGR] >> 9 & 7)) - 1

    def _warn(self, offset: int, what: str) -> None:
        self.log_once(f"{self.register_name(offset)} {what}", hash(what))

    def _advance_to(self, tick: int) -> None:
        if tick <= self._reached:
            return
        passed = self._counter.advance(tick - self._reached)
        self._reached = tick
        self._values[ISR] |= _CMPM * passed.matched | _ARRM * passed.updated
        if passed.matched or passed.updated or self._alarm.tick is None:
            self._settle()

    def _settle(self) -> None:
        """Drive the line, and wake up for the next flag that is not set yet."""
        counter = self._counter
        counter.comparing = int(counter.compare[0].active <= counter.reload.active)
        status = self._values[ISR]
        self._line.set(bool(status & self._values[IER]))
        ticks = counter.ticks_to_next(int(not status & _CMPM), update=not status & _ARRM)
        self._alarm.set(None if ticks is None else self._reached + ticks)
