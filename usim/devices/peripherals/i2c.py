"""I2C of the STM32F7 (RM0385 chapter 30, RM0410 chapter 33) on a bus on which nobody else is.

A master's address is not acknowledged, after its time on the bus: NACKF, then STOPF. As a slave it
is never addressed. Left out: whoever might answer, so all transfers of data, and SMBus.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain

CR1: Final = 0x00
CR2: Final = 0x04
TIMINGR: Final = 0x10
ISR: Final = 0x18
ICR: Final = 0x1C
RXDR: Final = 0x24
TXDR: Final = 0x28

_PE: Final = 1 << 0
_START: Final = 1 << 13
_STOP: Final = 1 << 14
_TXE: Final = 1 << 0
_NACKF: Final = 1 << 4
_STOPF: Final = 1 << 5
_BUSY: Final = 1 << 15
_CLEARABLE: Final = 0x3F38
# CR1's enables of NACKF and STOPF have their places in ISR.
_ENABLES: Final = _NACKF | _STOPF
# Periods of SCL: the start, eight bits and the missing acknowledge; then the stop.
_ADDRESS_PERIODS: Final = 10
_STOP_PERIODS: Final = 1


class I2c(RegisterBlock):
    """One I2C."""

    name = "I2C"
    reset_values: ClassVar[Mapping[int, int]] = dict.fromkeys(range(0, 0x2C, 4), 0) | {ISR: _TXE}
    register_names: ClassVar[Mapping[int, str]] = {
        CR1: "CR1", CR2: "CR2", 0x08: "OAR1", 0x0C: "OAR2", TIMINGR: "TIMINGR", 0x14: "TIMEOUTR",
        ISR: "ISR", ICR: "ICR", 0x20: "PECR", RXDR: "RXDR", TXDR: "TXDR",
    }  # fmt: skip
    cleared_by_ones: ClassVar[frozenset[int]] = frozenset({ICR})

    def __init__(
        self, events: EventQueue, clock: ClockDomain, line: InterruptLine, name: str
    ) -> None:
        """`clock` is the kernel clock that RCC selects, `line` the interrupt of events."""
        super().__init__(name)
        self._clock, self._line = clock, line
        self._addressed = Alarm(events, clock, self._miss_acknowledge)
        self._stopped = Alarm(events, clock, lambda _tick: self._stop())

    def reset(self) -> None:
        """Off."""
        super().reset()
        self._let_go()

    def write_word(self, offset: int, value: int) -> None:
        """ICR clears; START has the address sent, and is cleared once that is over."""
        values = self._values
        if offset == ICR:
            values[ISR] &= ~(value & _CLEARABLE)
        elif offset == ISR:
            values[ISR] |= value & _TXE  # which flushes TXDR
        elif offset == CR1:
            values[CR1] = value
            if not value & _PE:
                # A software reset: START, STOP and the flags (30.4.6).
                values[CR2] &= ~(_START | _STOP)
                values[ISR] = _TXE
                self._let_go()
        elif offset == CR2:
            under_way = values[CR2] & _START
            values[CR2] = value & 0x07FF_FFFF & ~_STOP | under_way
            if value & _START and values[CR1] & _PE and not under_way:
                self._start()
        elif offset == TXDR:
            values[TXDR] = value & 0xFF
            values[ISR] &= ~_TXE
        elif offset not in (RXDR, 0x20):
            values[offset] = value
        self._update()

    def _start(self) -> None:
        self._values[ISR] |= _BUSY
        self._addressed.set(self._clock.ticks() + _ADDRESS_PERIODS * self._period_ticks())

    def _miss_acknowledge(self, tick: int) -> None:
        self._values[CR2] &= ~_START
        self._values[ISR] |= _NACKF
        self._stopped.set(tick + _STOP_PERIODS * self._period_ticks())
        self._update()

    def _stop(self) -> None:
        self._values[ISR] = self._values[ISR] & ~_BUSY | _STOPF
        self._update()

    def _let_go(self) -> None:
        self._addressed.set(None)
        self._stopped.set(None)
        self._update()

    def _period_ticks(self) -> int:
        """SCL's, by TIMINGR; its synchronisation left out."""
        timing = self._values[TIMINGR]
        low, high, prescaler = timing & 0xFF, timing >> 8 & 0xFF, timing >> 28
        return (low + 1 + high + 1) * (prescaler + 1)

    def _update(self) -> None:
        asked = self._values[ISR] & self._values[CR1] & _ENABLES
        self._line.set(bool(asked))
