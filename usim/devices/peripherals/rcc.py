"""Reset and clock control of the STM32F7 (RM0385 and RM0410, chapter 5, registers in 5.3).

Oscillators and PLLs are ready as soon as they are on; what never gets ready is an external
oscillator that the board does not have.
"""

from __future__ import annotations

from typing import ClassVar, Final

from usim.clock import HSI, bus_clocks_hz, core_clock_hz
from usim.devices.peripherals.base import RegisterBlock

CR: Final = 0x00
PLLCFGR: Final = 0x04
CFGR: Final = 0x08
CIR: Final = 0x0C
APB1ENR: Final = 0x40
APB2ENR: Final = 0x44
BDCR: Final = 0x70
CSR: Final = 0x74

_HSION: Final = 1 << 0
_HSEON: Final = 1 << 16
_PLLON: Final = 1 << 24
# An oscillator's ready flag is the bit above its enable bit: HSI, HSE, PLL, PLLI2S, PLLSAI.
_CR_ENABLES: Final = (_HSION, _HSEON, _PLLON, 1 << 26, 1 << 28)
_CR_WRITABLE: Final = 0x150D_00F9
_HSICAL: Final = 0xFF00
_CFGR_READ_ONLY: Final = 0x0000_030C
_CIR_ENABLES: Final = 0x0000_7F00
_PLLSRC_HSE: Final = 1 << 22
_LSEON: Final = 1 << 0
_LSION: Final = 1 << 0
_RMVF: Final = 1 << 24
_RESET_FLAGS: Final = 0xFE00_0000
_PIN_AND_SOFTWARE_RESET: Final = 0x1400_0000
_SOURCES: Final = (_HSION, _HSEON, _PLLON)  # by CFGR.SW


class ResetAndClockControl(RegisterBlock):
    """RCC: which clocks run, what feeds the core, and which peripherals are clocked.

    The bits that reset single peripherals are kept and have no effect.
    `hse_hz` is the board's crystal or clock input, None without one.
    """

    name = "RCC"
    reset_values: ClassVar[dict[int, int]] = {
        CR: 0x0000_7F81,
        PLLCFGR: 0x2400_3010,
        CFGR: 0,
        CIR: 0,
        **dict.fromkeys((0x10, 0x14, 0x18, 0x20, 0x24), 0),  # AHB1RSTR to APB2RSTR
        0x30: 0x0010_0000,  # AHB1ENR: the DTCM
        **dict.fromkeys((0x34, 0x38, APB1ENR, APB2ENR), 0),  # AHB2ENR to APB2ENR
        0x50: 0x7EF7_B7FF,  # AHB1LPENR to APB2LPENR
        0x54: 0x0000_00F1,
        0x58: 0x0000_0003,
        0x60: 0xFFFF_CBFF,
        0x64: 0x04F7_7F33,
        BDCR: 0,
        CSR: _PIN_AND_SOFTWARE_RESET,
        0x80: 0,  # SSCGR
        0x84: 0x2400_3000,  # PLLI2SCFGR
        0x88: 0x2400_3000,  # PLLSAICFGR
        0x8C: 0,  # DCKCFGR1
        0x90: 0,  # DCKCFGR2
    }

    def __init__(self, hse_hz: int | None) -> None:
        super().__init__()
        self._hse_hz = hse_hz
        self._selected = HSI

    def reset(self) -> None:
        """On the HSI, everything else off; the reset flags say pin and software."""
        super().reset()
        self._selected = HSI

    @property
    def pll_on(self) -> bool:
        """CR.PLLON."""
        return bool(self._values[CR] & _PLLON)

    def is_clocked(self, register: int, mask: int) -> bool:
        """Whether an enable register (its offset) has a peripheral's bit set."""
        return bool(self._values[register] & mask)

    @property
    def core_hz(self) -> int:
        """HCLK: what core, buses and memories run at."""
        return core_clock_hz(self.read_word(CFGR), self._values[PLLCFGR], self._hse_hz)

    @property
    def bus_hz(self) -> tuple[int, int]:
        """The clocks of APB1 and APB2."""
        return bus_clocks_hz(self._values[CFGR], self.core_hz)

    def read_word(self, offset: int) -> int:
        """Ready flags follow their enables."""
        value = self._values[offset]
        if offset == CR:
            return value | sum(bit << 1 for bit in _CR_ENABLES if self._is_ready(bit))
        if offset == CFGR:
            return value | self._selected << 2  # SWS
        if offset in (BDCR, CSR):
            return value | (value & 1) << 1  # LSERDY, LSIRDY
        return value

    def write_word(self, offset: int, value: int) -> None:
        """What feeds the core can't be switched off; the PLL is set up while it is off."""
        if offset == CR:
            self._values[CR] = value & _CR_WRITABLE | self._values[CR] & _HSICAL | self._in_use()
        elif offset == CFGR:
            self._values[CFGR] = value & ~_CFGR_READ_ONLY
        elif offset == CIR:
            self._values[CIR] = value & _CIR_ENABLES
        elif offset == CSR:
            kept = 0 if value & _RMVF else self._values[CSR] & _RESET_FLAGS
            self._values[CSR] = kept | value & _LSION
        elif offset != PLLCFGR or not self.pll_on:
            self._values[offset] = value
        self._follow_switch()

    def _is_ready(self, enable: int) -> bool:
        """Whether a clock is on and runs."""
        if not self._values[CR] & enable:
            return False
        if enable in (_HSION, _HSEON):
            return enable == _HSION or self._hse_hz is not None
        return self._is_ready(self._pll_source())

    def _pll_source(self) -> int:
        return _HSEON if self._values[PLLCFGR] & _PLLSRC_HSE else _HSION

    def _in_use(self) -> int:
        """Enables that 5.3.1 keeps set: of what feeds the core, through the PLL as well."""
        enable = _SOURCES[self._selected]
        return enable | self._pll_source() if enable == _PLLON else enable

    def _follow_switch(self) -> None:
        """A clock that is not ready is switched to once it is (5.2.6)."""
        wanted = self._values[CFGR] & 3
        if wanted < len(_SOURCES) and self._is_ready(_SOURCES[wanted]):
            self._selected = wanted
