"""Timers TIM1 to TIM14 of the STM32F7 (RM0385 chapters 21 to 25) as counters that interrupt.

Update and compare events happen at their tick. Left out: pins, so input capture and PWM outputs as
well; slave and encoder modes, triggers, DMA. Bits for those are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from usim.devices.course import Course
from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.ticked_block import TickedBlock
from usim.devices.peripherals.tim_counter import Buffered, Counter
from usim.devices.peripherals.tim_registers import (
    ARPE,
    ARR,
    BDTR,
    BIF,
    CC_FLAGS,
    CCMR1,
    CCMR2,
    CCMR3,
    CCR,
    CEN,
    CNT,
    CR1,
    DIER,
    DIR,
    EGR,
    OPM,
    PSC,
    RCR,
    REGISTER_NAMES,
    SR,
    TIF,
    UDIS,
    UG,
    UIF,
    UIFREMAP,
    URS,
    WITHOUT_EFFECT,
    TimerFacts,
)

_B2IF: Final = 1 << 8
_COMIF: Final = 1 << 5
_MOE: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class TimerLines:
    """Where a timer's interrupts go; all but the advanced ones have a single line."""

    update: InterruptLine
    compare: InterruptLine | None = None
    trigger: InterruptLine | None = None
    breaks: InterruptLine | None = None


class Timer(TickedBlock):
    """One timer, counting ticks of its clock since CEN was set."""

    name = "TIM"
    reset_values: ClassVar[Mapping[int, int]] = {}
    register_names: ClassVar[Mapping[int, str]] = REGISTER_NAMES
    without_effect: ClassVar[Mapping[int, int]] = WITHOUT_EFFECT
    # It has DIR, and CEN in one-pulse mode.
    counting: ClassVar[frozenset[int]] = frozenset((CR1,))

    def __init__(
        self,
        events: EventQueue,
        clock: ClockDomain,
        lines: TimerLines,
        facts: TimerFacts,
        name: str,
    ) -> None:
        super().__init__(clock, name, facts.registers())
        self._lines, self._facts = lines, facts
        self._alarm = Alarm(events, clock, self._advance_to)
        self._restart()

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Takes effect from now on."""
        self._advance_to(self._clock.ticks())
        # A narrow write changes a part of what is there now.
        self._values |= {offset: self.read_word(offset) for offset in (CNT, CR1)}
        super().write(offset, size_bytes, value)

    def courses(self) -> Mapping[int, Callable[[], Course | None]]:
        """CNT."""
        return {CNT: self._course}

    def _course(self) -> Course | None:
        counter, clock = self._counter, self._clock
        is_pure = not self._values[CR1] & UIFREMAP  # else it has a flag in it
        has_begun = self._reached == clock.ticks()
        runs = counter.runs and clock.rate and has_begun
        return counter.course(clock.pace()) if runs and is_pure else None

    def read_word(self, offset: int) -> int:
        """CNT and what the counter changes in CR1 come from the counter."""
        counter = self._counter
        if offset == CNT:
            if self._values[CR1] & UIFREMAP:
                return counter.value & 0x7FFF_FFFF | (self._values[SR] & UIF) << 31
            return counter.value
        if offset == CR1:
            return self._values[CR1] & ~(CEN | DIR) | counter.enabled * CEN | counter.down * DIR
        return self._values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """SR is cleared by zeros; EGR acts; PSC, and ARR and CCR with preload, wait for updates."""
        counter = self._counter
        if offset == SR:
            self._values[SR] &= value
        elif offset == EGR:
            self._generate(value)
        elif offset == CNT:
            counter.value = value & counter.mask
        else:
            self._values[offset] = value & self._facts.mask_of(offset)
            self._configure(offset)
        self._settle()

    def _restart(self) -> None:
        facts = self._facts
        self._reached = self._clock.ticks()
        self._counter = Counter(
            facts.mask,
            Buffered(facts.mask, facts.mask),
            compare=tuple(Buffered(0, 0) for _ in range(facts.channels)),
            comparing=(1 << facts.channels) - 1,
        )

    def _configure(self, offset: int) -> None:
        """Tell the counter of a register's new value."""
        counter, value = self._counter, self._values[offset]
        if offset == CR1:
            self._control(value)
        elif offset == PSC:
            counter.prescaler.written = value
        elif offset == ARR:
            counter.reload.written = value
            if not self._values[CR1] & ARPE:
                counter.reload.load()
        elif offset == RCR:
            counter.repetition.written = value
        elif offset in CCR[: self._facts.channels]:
            channel = CCR.index(offset)
            counter.compare[channel].written = value
            if not self._is_preloaded(channel):
                counter.compare[channel].load()
        elif offset in (CCMR1, CCMR2):
            self._choose_comparing()

    def _control(self, value: int) -> None:
        counter = self._counter
        if not self._facts.counts_down:
            value &= ~(DIR | 3 << 5)
        counter.centre = value >> 5 & 3
        if not counter.centre:
            counter.down = bool(value & DIR)
        counter.update_disabled = bool(value & UDIS)
        counter.one_pulse = bool(value & OPM)
        if value & CEN and not counter.enabled:
            # The counter starts a tick after CEN is set ("Prescaler description").
            self._reached = self._clock.ticks() + 1
        counter.enabled = bool(value & CEN)
        if not value & ARPE:
            counter.reload.load()

    def _choose_comparing(self) -> None:
        """Channels whose CCxS says input don't compare; 5 and 6 are outputs always."""
        modes = self._values.get(CCMR1, 0) | self._values.get(CCMR2, 0) << 16
        outputs = (channel for channel in range(4) if not modes >> 8 * channel & 3)
        channels = (1 << self._facts.channels) - 1
        self._counter.comparing = (sum(1 << channel for channel in outputs) | 0x30) & channels

    def _is_preloaded(self, channel: int) -> bool:
        """OCxPE."""
        register = (CCMR1, CCMR2, CCMR3)[channel // 2]
        return bool(self._values[register] >> 8 * (channel % 2) & 1 << 3)

    def _generate(self, value: int) -> None:
        """EGR: events by software."""
        if value & UG:
            self._counter.restart()
            if not self._values[CR1] & (UDIS | URS):
                self._values[SR] |= UIF
        software = value & self._facts.software_events
        self._values[SR] |= software
        if software & (BIF | _B2IF) and BDTR in self._values:
            self._values[BDTR] &= ~_MOE

    def _advance_to(self, tick: int) -> None:
        if tick <= self._reached:
            return
        passed = self._counter.advance(tick - self._reached)
        self._reached = tick
        before = self._values[SR]
        self._values[SR] |= passed.updated * UIF | sum(
            flag for channel, flag in enumerate(CC_FLAGS) if passed.matched >> channel & 1
        )
        if self._values[SR] != before or self._alarm.tick is None or self._alarm.tick <= tick:
            self._settle()

    def _settle(self) -> None:
        """Drive the lines, and wake up for the next flag that is not set yet."""
        status = self._values[SR]
        asked = status & self._values[DIER]
        lines = self._lines
        if lines.compare is None:
            lines.update.set(bool(asked & (UIF | TIF | 0x1E)))
        else:
            lines.update.set(bool(asked & UIF))
            lines.compare.set(bool(asked & 0x1E))
            if lines.trigger is not None:
                lines.trigger.set(bool(asked & (TIF | _COMIF)))
            if lines.breaks is not None:
                lines.breaks.set(bool(status & (BIF | _B2IF) and self._values[DIER] & BIF))
        missing = sum(1 << n for n, flag in enumerate(CC_FLAGS) if not status & flag)
        counter = self._counter
        wants_update = not status & UIF and not counter.update_disabled
        ticks = counter.ticks_to_next(missing, update=wants_update)
        self._alarm.set(None if ticks is None else self._reached + ticks)
