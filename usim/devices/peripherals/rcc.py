"""Reset and clock control of the STM32F7 (RM0385 and RM0410, chapter 5, registers in 5.3).

Oscillators and PLLs are ready as soon as they are on; what never gets ready is an external
oscillator that the board does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import ClassVar, Final

from usim.clock import HSI, bus_clocks_hz, core_clock_hz
from usim.devices.events import EventQueue
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.clock_enables import APB1ENR, APB2ENR
from usim.devices.peripherals.clock_tree import ClockRegisters, ClockTree
from usim.devices.peripherals.reset_cause import ResetCause

CR: Final = 0x00
PLLCFGR: Final = 0x04
CFGR: Final = 0x08
CIR: Final = 0x0C
BDCR: Final = 0x70
CSR: Final = 0x74
PLLSAICFGR: Final = 0x88
DCKCFGR1: Final = 0x8C
DCKCFGR2: Final = 0x90
_RESETS: Final = range(0x10, 0x28, 4)  # AHB1RSTR to APB2RSTR
_FROM_RESET_TO_ENABLE: Final = 0x20

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
_LSION: Final = 1 << 0
_BDRST: Final = 1 << 16
_BDCR_WRITABLE: Final = 0x0001_831D
_RMVF: Final = 1 << 24
_RESET_FLAGS: Final = 0xFE00_0000
_SOURCES: Final = (_HSION, _HSEON, _PLLON)  # by CFGR.SW
_PINRSTF: Final = 1 << 26
# What a reset adds to CSR. Every reset but that of the supply drives the pin low as well (5.1.1).
_FLAGS_OF: Final[Mapping[ResetCause, int]] = {
    ResetCause.POWER_ON: 0x0E00_0000,  # BORRSTF, PINRSTF, PORRSTF
    ResetCause.PIN: _PINRSTF,
    ResetCause.SOFTWARE: 1 << 28 | _PINRSTF,
    ResetCause.IWDG: 1 << 29 | _PINRSTF,
    ResetCause.WWDG: 1 << 30 | _PINRSTF,
}
_FEMTOSECONDS: Final = 10**15

Rate = Callable[[ClockTree], Fraction]


class ResetAndClockControl(RegisterBlock):
    """RCC: which clocks run, what feeds the core, and which peripherals are clocked.

    `hse_hz` is the board's crystal or clock input, None without one. Every clock domain is made
    here, and follows the registers.
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
        CSR: 0,
        0x80: 0,  # SSCGR
        0x84: 0x2400_3000,  # PLLI2SCFGR
        PLLSAICFGR: 0x2400_3000,
        DCKCFGR1: 0,
        DCKCFGR2: 0,
    }
    register_names: ClassVar[dict[int, str]] = {
        CR: "CR", PLLCFGR: "PLLCFGR", CFGR: "CFGR", CIR: "CIR",
        0x10: "AHB1RSTR", 0x14: "AHB2RSTR", 0x18: "AHB3RSTR", 0x20: "APB1RSTR", 0x24: "APB2RSTR",
        0x30: "AHB1ENR", 0x34: "AHB2ENR", 0x38: "AHB3ENR", APB1ENR: "APB1ENR", APB2ENR: "APB2ENR",
        0x50: "AHB1LPENR", 0x54: "AHB2LPENR", 0x58: "AHB3LPENR", 0x60: "APB1LPENR",
        0x64: "APB2LPENR", BDCR: "BDCR", CSR: "CSR", 0x80: "SSCGR", 0x84: "PLLI2SCFGR",
        PLLSAICFGR: "PLLSAICFGR", DCKCFGR1: "DCKCFGR1", DCKCFGR2: "DCKCFGR2",
    }  # fmt: skip
    without_effect: ClassVar[dict[int, int]] = {CR: 1 << 19, CIR: _CIR_ENABLES, 0x80: 1 << 31}

    def __init__(self, hse_hz: int | None, events: EventQueue) -> None:
        super().__init__()
        self._hse_hz = hse_hz
        self._selected = HSI
        self._events = events
        self._domains: list[tuple[ClockDomain, Rate, tuple[int, int] | None]] = []
        self._resets: list[tuple[int, int, Callable[[], None]]] = []
        self._reset_backup: list[Callable[[], None]] = []
        # PWR_CR1.DBP, without which BDCR takes no writes (5.3.20).
        self.backup_writable: Callable[[], bool] = lambda: True
        self.tree = self._read_tree()
        # What the domains follow already.
        self._followed: tuple[int, tuple[int, ...]] | None = None

    def reset(self) -> None:
        """On the HSI, everything else off; the backup domain and the reset flags stay."""
        kept = {BDCR: self._values[BDCR], CSR: self._values[CSR] & _RESET_FLAGS}
        super().reset()
        self._values |= kept
        self._selected = HSI
        self._follow_clocks()

    def power_on(self) -> None:
        """The backup domain is reset too."""
        self._values[BDCR] = self._values[CSR] = 0
        self.reset()

    def flag_reset(self, cause: ResetCause) -> None:
        """Have CSR tell of a reset, until the program clears its flags."""
        self._values[CSR] |= _FLAGS_OF[cause]

    def domain(self, rate: Rate, enable: tuple[int, int] | None = None) -> ClockDomain:
        """A clock of the tree; `enable` is the register and bit that let it pass, if one does."""
        domain = ClockDomain(self._events)
        self._domains.append((domain, rate, enable))
        domain.set_rate(self._rate_of(rate, enable))
        return domain

    def time(self) -> ClockDomain:
        """Femtoseconds."""
        return self.domain(lambda _tree: Fraction(_FEMTOSECONDS))

    def on_peripheral_reset(self, enable: tuple[int, int], reset: Callable[[], None]) -> None:
        """Have `reset` called when the reset bit beside an enable bit is set."""
        self._resets.append((enable[0] - _FROM_RESET_TO_ENABLE, enable[1], reset))

    def on_backup_reset(self, reset: Callable[[], None]) -> None:
        """Have `reset` called when BDCR.BDRST resets the backup domain."""
        self._reset_backup.append(reset)

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
        elif offset == BDCR:
            if self.backup_writable():
                self._set_backup(value & _BDCR_WRITABLE)
        elif offset in _RESETS:
            self._reset_peripherals(offset, value & ~self._values[offset])
            self._values[offset] = value
        elif offset != PLLCFGR or not self.pll_on:
            self._values[offset] = value
        self._follow_switch()
        self._follow_clocks()

    def _set_backup(self, value: int) -> None:
        if value & _BDRST and not self._values[BDCR] & _BDRST:
            for reset in self._reset_backup:
                reset()
        self._values[BDCR] = _BDRST if value & _BDRST else value

    def _reset_peripherals(self, register: int, bits: int) -> None:
        for at, bit, reset in self._resets:
            if at == register and bit & bits:
                reset()

    def _read_tree(self) -> ClockTree:
        return ClockTree(
            ClockRegisters(
                cr=self.read_word(CR),
                pllcfgr=self.read_word(PLLCFGR),
                cfgr=self.read_word(CFGR),
                bdcr=self.read_word(BDCR),
                csr=self.read_word(CSR),
                pllsaicfgr=self.read_word(PLLSAICFGR),
                dckcfgr1=self.read_word(DCKCFGR1),
                dckcfgr2=self.read_word(DCKCFGR2),
                hse_hz=self._hse_hz or 0,
            )
        )

    def _rate_of(self, rate: Rate, enable: tuple[int, int] | None) -> Fraction:
        if enable is not None and not self.is_clocked(*enable):
            return Fraction(0)
        return rate(self.tree) / self.tree.core

    def _follow_clocks(self) -> None:
        """Have every domain go on at its new rate, then tell those that wait for a tick."""
        settings = self._selected, tuple(self._values.values())
        if settings == self._followed:
            return
        self._followed = settings
        self.tree = self._read_tree()
        changed = [
            domain
            for domain, rate, enable in self._domains
            if domain.set_rate(self._rate_of(rate, enable))
        ]
        for domain in changed:
            domain.announce()
        for key, problem in enumerate(self.tree.problems().values(), start=1):
            self.log_once(f"RCC: {problem}", -key)

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
