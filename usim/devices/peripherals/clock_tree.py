"""What the clock registers of an STM32F7 make of its oscillators (RM0385 and RM0410, 5.2, 5.3).

All rates are exact, in Hz, as fractions; 0 is a clock that stands still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from usim.clock import HSE, HSI_HZ, PLL, ahb_divider, apb_dividers

LSI_HZ: Final = 32_000
LSE_HZ: Final = 32_768
_STOPPED: Final = Fraction(0)

_PLLSRC_HSE: Final = 1 << 22
_TIMPRE: Final = 1 << 24
_CK48_FROM_PLLSAI: Final = 1 << 27
_RTCEN: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class ClockRegisters:
    """The registers that decide on rates, ready flags and switch status included."""

    cr: int
    pllcfgr: int
    cfgr: int
    bdcr: int
    csr: int
    pllsaicfgr: int
    dckcfgr1: int
    dckcfgr2: int
    hse_hz: int


class ClockTree:
    """Rates of the chip's clocks for one setting of the registers."""

    def __init__(self, registers: ClockRegisters) -> None:
        self._registers = registers
        r = registers
        self.hsi = Fraction(HSI_HZ) if r.cr >> 1 & 1 else _STOPPED
        self.hse = Fraction(r.hse_hz) if r.cr >> 17 & 1 else _STOPPED
        self.lse = Fraction(LSE_HZ) if r.bdcr >> 1 & 1 else _STOPPED
        # Not LSIRDY: a watchdog forces it on, and nobody can tell before that it is off.
        self.lsi = Fraction(LSI_HZ)
        source = self.hse if r.pllcfgr & _PLLSRC_HSE else self.hsi
        self.pll_input = source / max(r.pllcfgr & 0x3F, 1)
        self.pll_vco = self.pll_input * (r.pllcfgr >> 6 & 0x1FF) if r.cr >> 25 & 1 else _STOPPED
        selected = r.cfgr >> 2 & 3
        self.system = {HSE: self.hse, PLL: self.pll_vco / _pll_p(r.pllcfgr)}.get(selected, self.hsi)
        self.core = self.system / ahb_divider(r.cfgr)
        self.apb_dividers = apb_dividers(r.cfgr)
        self.bus1, self.bus2 = (self.core / divider for divider in self.apb_dividers)

    @property
    def timers1(self) -> Fraction:
        """Of the timers on APB1."""
        return self._timers(self.bus1, self.apb_dividers[0])

    @property
    def timers2(self) -> Fraction:
        """Of the timers on APB2."""
        return self._timers(self.bus2, self.apb_dividers[1])

    @property
    def clock48(self) -> Fraction:
        """For USB, SDMMC and RNG: the main PLL's Q, or PLLSAI's P (RCC_DCKCFGR2.CK48MSEL)."""
        r = self._registers
        if not r.dckcfgr2 & _CK48_FROM_PLLSAI:
            return self.pll_vco / max(r.pllcfgr >> 24 & 0xF, 1)
        if not r.cr >> 29 & 1:
            return _STOPPED
        return self.pll_input * (r.pllsaicfgr >> 6 & 0x1FF) / _pll_p(r.pllsaicfgr)

    @property
    def rtc(self) -> Fraction:
        """RTCCLK, by RCC_BDCR.RTCSEL; HSE is divided by RCC_CFGR.RTCPRE."""
        r = self._registers
        if not r.bdcr & _RTCEN:
            return _STOPPED
        divider = r.cfgr >> 16 & 0x1F
        hse = self.hse / divider if divider >= 2 else _STOPPED
        return (_STOPPED, self.lse, self.lsi, hse)[r.bdcr >> 8 & 3]

    def usart(self, shift: int, *, on_apb2: bool) -> Fraction:
        """The kernel clock that the field of RCC_DCKCFGR2 at `shift` selects."""
        bus = self.bus2 if on_apb2 else self.bus1
        return (bus, self.system, self.hsi, self.lse)[self._registers.dckcfgr2 >> shift & 3]

    def i2c(self, shift: int) -> Fraction:
        """The kernel clock that the field of RCC_DCKCFGR2 at `shift` selects."""
        selected = self._registers.dckcfgr2 >> shift & 3
        return (self.bus1, self.system, self.hsi, _STOPPED)[selected]

    @property
    def lptim1(self) -> Fraction:
        """LPTIM1's kernel clock, by RCC_DCKCFGR2.LPTIM1SEL."""
        selected = self._registers.dckcfgr2 >> 24 & 3
        return (self.bus1, self.lsi, self.hsi, self.lse)[selected]

    def problems(self) -> Mapping[str, str]:
        """What the datasheet does not allow: which register, and why."""
        found = {}
        megahertz = 1_000_000
        if self.pll_vco and not 950_000 <= self.pll_input <= 2_100_000:
            found["PLLM"] = f"the PLL's input is {float(self.pll_input / megahertz):g} MHz, not 1-2"
        if self.pll_vco and not 100 * megahertz <= self.pll_vco <= 432 * megahertz:
            found["PLLN"] = (
                f"the PLL's VCO is at {float(self.pll_vco / megahertz):g} MHz, not 100-432"
            )
        if self.core > 216 * megahertz:
            found["SW"] = f"the core runs at {float(self.core / megahertz):g} MHz, over 216"
        return found

    def _timers(self, bus: Fraction, divider: int) -> Fraction:
        """RCC_DCKCFGR1.TIMPRE: twice the bus' clock or four times, never more than the core's."""
        factor = 4 if self._registers.dckcfgr1 & _TIMPRE else 2
        return bus * min(divider, factor)


def _pll_p(configuration: int) -> int:
    return (configuration >> 16 & 3) * 2 + 2
