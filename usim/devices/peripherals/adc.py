"""Analog-to-digital converters of the STM32F7 (RM0385 and RM0410, chapter 15): regular conversions.

What is on a pin is a number that the host sets, 0 without. Left out: injected conversions, analog
watchdog, discontinuous mode, triggers from timers and pins, dual and triple modes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.dma_requests import RequestLine

SR: Final = 0x00
CR1: Final = 0x04
CR2: Final = 0x08
SMPR1: Final = 0x0C
SMPR2: Final = 0x10
SQR1: Final = 0x2C
SQR3: Final = 0x34
DR: Final = 0x4C
CSR: Final = 0x00
CCR: Final = 0x04

_EOC: Final = 1 << 1
_STRT: Final = 1 << 4
_OVR: Final = 1 << 5
_EOCIE: Final = 1 << 5
_SCAN: Final = 1 << 8
_OVRIE: Final = 1 << 26
_ADON: Final = 1 << 0
_CONT: Final = 1 << 1
_DMA: Final = 1 << 8
_DDS: Final = 1 << 9
_EOCS: Final = 1 << 10
_ALIGN: Final = 1 << 11
_JSWSTART: Final = 1 << 22
_SWSTART: Final = 1 << 30
# Periods of ADCCLK by SMPR's fields, and by CR1.RES for the bits (15.3.5, 15.7).
_SAMPLING: Final = (3, 15, 28, 56, 84, 112, 144, 480)
_RESOLUTIONS: Final = (12, 10, 8, 6)
_FULL_BITS: Final = 12
_CHANNELS: Final = 19
# Inside of ADC1, with a reference of 3.3 V: 1.21 V, and 0.76 V for 25 degrees Celsius, the typical
# values of the datasheet.
_REFERENCE_CHANNEL: Final = 17
_TEMPERATURE_CHANNEL: Final = 18
_REFERENCE: Final = 1502
_TEMPERATURE: Final = 943
_TSVREFE: Final = 1 << 23
_VBATE: Final = 1 << 22


class AdcCommon(RegisterBlock):
    """What the three converters share: the divider of their clock, and a view of their flags."""

    name = "ADC"
    reset_values: ClassVar[Mapping[int, int]] = {CSR: 0, CCR: 0, 0x08: 0}
    register_names: ClassVar[Mapping[int, str]] = {CSR: "CSR", CCR: "CCR", 0x08: "CDR"}
    without_effect: ClassVar[Mapping[int, int]] = {CCR: 0x0000_EF1F | _VBATE}  # MULTI, DELAY, DMA

    def __init__(self) -> None:
        super().__init__()
        self.status: list[Callable[[], int]] = []

    @property
    def divider(self) -> int:
        """Of APB2's clock to ADCCLK: 2, 4, 6 or 8."""
        return 2 * (self._values[CCR] >> 16 & 3) + 2

    @property
    def has_internal_channels(self) -> bool:
        """CCR.TSVREFE."""
        return bool(self._values[CCR] & _TSVREFE)

    def read_word(self, offset: int) -> int:
        """CSR has the six flags of each."""
        if offset == CSR:
            return sum(status() << 8 * place for place, status in enumerate(self.status))
        return self._values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Only CCR can be written."""
        if offset == CCR:
            self._values[CCR] = value & 0x00C3_EF1F


class Adc(RegisterBlock):
    """One converter: a conversion takes its sampling time and a period of ADCCLK a bit."""

    name = "ADC1"
    reset_values: ClassVar[Mapping[int, int]] = dict.fromkeys(range(0, 0x50, 4), 0) | {0x24: 0xFFF}
    register_names: ClassVar[Mapping[int, str]] = {
        SR: "SR", CR1: "CR1", CR2: "CR2", SMPR1: "SMPR1", SMPR2: "SMPR2", 0x24: "HTR", 0x28: "LTR",
        SQR1: "SQR1", 0x30: "SQR2", SQR3: "SQR3", 0x38: "JSQR", DR: "DR",
    } | {
        first + 4 * n: f"{name}{n + 1}"
        for first, name in ((0x14, "JOFR"), (0x3C, "JDR"))
        for n in range(4)
    }  # fmt: skip
    # Watchdog, injected and discontinuous conversions; triggers.
    without_effect: ClassVar[Mapping[int, int]] = {CR1: 0x00C0_FEDF, CR2: 0x3070_0000}

    def __init__(
        self,
        events: EventQueue,
        clock: ClockDomain,
        common: AdcCommon,
        line: InterruptLine,
        name: str,
    ) -> None:
        """`clock` is APB2's, which `common` divides."""
        super().__init__(name)
        self._clock, self._common, self._line = clock, common, line
        self._alarm = Alarm(events, clock, self._end_conversion)
        self._rank = 0
        self._inputs = [0] * _CHANNELS
        self.request = RequestLine()
        common.status.append(lambda: self._values[SR])

    def set_input(self, channel: int, value: int) -> None:
        """What a pin holds from now on: 0 is VSSA, 4095 VREF+."""
        self._inputs[channel] = min(max(value, 0), (1 << _FULL_BITS) - 1)

    def reset(self) -> None:
        """Off; the pins stay as they are."""
        super().reset()
        self._alarm.set(None)
        self.request.set(False)
        self._update()

    def read_word(self, offset: int) -> int:
        """Reading DR clears EOC."""
        if offset == DR:
            self._values[SR] &= ~_EOC
            self.request.set(False)
            self._update()
        return self._values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Zeros clear SR; SWSTART starts, while ADON is set."""
        if offset == SR:
            self._values[SR] &= value
        elif offset == CR2:
            self._values[CR2] = value & ~(_SWSTART | _JSWSTART)
            if not value & _ADON:
                self._alarm.set(None)
            elif value & _SWSTART and self._alarm.tick is None:
                self._begin_sequence(self._clock.ticks())
        elif offset != DR:
            self._values[offset] = value
        self._update()

    def _begin_sequence(self, tick: int) -> None:
        self._rank = 0
        self._values[SR] |= _STRT
        self._begin_conversion(tick)

    def _begin_conversion(self, tick: int) -> None:
        register, place = (SMPR2, 0) if self._channel < 10 else (SMPR1, 10)
        field = self._values[register] >> 3 * (self._channel - place) & 7
        cycles = _SAMPLING[field] + self._bits
        self._alarm.set(tick + cycles * self._common.divider)

    def _end_conversion(self, tick: int) -> None:
        control = self._values[CR2]
        is_last = self._rank >= self._ranks - 1
        if self._is_overrun():
            self._values[SR] |= _OVR
        else:
            self._values[DR] = self._result()
            self._values[SR] |= _EOC if is_last or control & _EOCS else 0
            self.request.set(False)
            self.request.set(bool(control & _DMA))
        if not is_last:
            self._rank += 1
            self._begin_conversion(tick)
        elif control & _CONT:
            self._begin_sequence(tick)
        self._update()

    def _is_overrun(self) -> bool:
        """Whether the last result was not read; noticed with EOCS or DMA only (15.8.2).

        Without DDS the DMA's last transfer ends the requests, and with them what is noticed.
        """
        control = self._values[CR2]
        if control & _DMA:
            return bool(self.request.level and control & _DDS)
        return bool(self._values[SR] & _EOC and control & _EOCS)

    def _result(self) -> int:
        channel = self._channel
        value = self._inputs[channel]
        if self.name == "ADC1" and self._common.has_internal_channels and not value:
            inside = {_REFERENCE_CHANNEL: _REFERENCE, _TEMPERATURE_CHANNEL: _TEMPERATURE}
            value = inside.get(channel, 0)
        value >>= _FULL_BITS - self._bits
        if not self._values[CR2] & _ALIGN:
            return value
        # Six bits are aligned to a byte, the others to a half-word (15.4).
        return value << (2 if self._bits == min(_RESOLUTIONS) else 16 - self._bits)

    @property
    def _bits(self) -> int:
        return _RESOLUTIONS[self._values[CR1] >> 24 & 3]

    @property
    def _ranks(self) -> int:
        """Conversions in a sequence."""
        return (self._values[SQR1] >> 20 & 0xF) + 1 if self._values[CR1] & _SCAN else 1

    @property
    def _channel(self) -> int:
        """Of the present rank: six a register, from SQR3 down."""
        register = SQR3 - 4 * (self._rank // 6)
        return min(self._values[register] >> 5 * (self._rank % 6) & 0x1F, _CHANNELS - 1)

    def _update(self) -> None:
        status, control = self._values[SR], self._values[CR1]
        asks = (status & _EOC and control & _EOCIE) or (status & _OVR and control & _OVRIE)
        self._line.set(bool(asks))
