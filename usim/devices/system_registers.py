"""The system registers of a Cortex-M7: who answers where, and the plain registers of the SCB.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B3.2 (system control space), and the
Cortex-M7 TRM (DDI 0489) for what is the core's own. Registers that are not listed read as zero and
ignore writes; each is logged once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from usim.devices.course import Course
from usim.devices.dwt import DWT_CTRL, DWT_CYCCNT, DWT_LAR, DWT_LSR, Dwt
from usim.formatting import format_address

__all__ = ["DWT_CTRL", "DWT_CYCCNT", "DWT_LAR", "DWT_LSR", "Dwt", "SystemRegisters"]

_LOG = logging.getLogger(__name__)

BASE: Final = 0xE000_0000
SIZE_BYTES: Final = 0x10_0000

ACTLR: Final = 0xE000_E008
CPUID: Final = 0xE000_ED00
VTOR: Final = 0xE000_ED08
AIRCR: Final = 0xE000_ED0C
SCR: Final = 0xE000_ED10
CCR: Final = 0xE000_ED14
CFSR: Final = 0xE000_ED28
HFSR: Final = 0xE000_ED2C
DFSR: Final = 0xE000_ED30
MMFAR: Final = 0xE000_ED34
BFAR: Final = 0xE000_ED38
AFSR: Final = 0xE000_ED3C
CPACR: Final = 0xE000_ED88
DEMCR: Final = 0xE000_EDFC

_CPUID_CORTEX_M7_R0P1: Final = 0x410F_C271  # the STM32F74x's
# ID_PFR0 to ID_ISAR4 (TRM, "Identification registers").
_IDENTIFICATION: Final = {
    0xE000_ED40: 0x0000_0030,
    0xE000_ED44: 0x0000_0200,
    0xE000_ED48: 0x0010_0000,
    0xE000_ED4C: 0x0000_0000,
    0xE000_ED50: 0x0010_0030,
    0xE000_ED54: 0x0000_0000,
    0xE000_ED58: 0x0100_0000,
    0xE000_ED5C: 0x0000_0000,
    0xE000_ED60: 0x0110_1110,
    0xE000_ED64: 0x0211_2000,
    0xE000_ED68: 0x2023_2231,
    0xE000_ED6C: 0x0111_1131,
    0xE000_ED70: 0x0131_0132,
}
_TRCENA: Final = 1 << 24
_DIV_0_TRP: Final = 1 << 4
_CCR_WRITABLE: Final = 0x0007_011B
_STKALIGN: Final = 1 << 9  # fixed on a Cortex-M7
_VTOR_BITS: Final = 0xFFFF_FF80
# EN, of the two tightly coupled memories (TRM, ITCMCR and DTCMCR), and of the AHBP.
_TCM_CONTROL: Final = {0xE000_EF90: 1, 0xE000_EF94: 1, 0xE000_EF98: 1, 0xE000_EF9C: 0}
_WRITE_ONE_TO_CLEAR: Final = frozenset({CFSR, HFSR, DFSR})
_READ_ONLY: Final = frozenset({CPUID, *_IDENTIFICATION})
_KEPT_BITS: Final = {VTOR: _VTOR_BITS, CCR: _CCR_WRITABLE, SCR: 0x16, CPACR: 0x00F0_0000}


class RegisterUnit(Protocol):
    """Registers of one unit in the system space."""

    @property
    def addresses(self) -> frozenset[int]:
        """Words that it answers at."""

    @property
    def not_merged(self) -> frozenset[int]:
        """Of these, where a bit that is not written stands for no change."""

    def read(self, address: int) -> int:
        """A word."""

    def write(self, address: int, value: int) -> None:
        """Set a word."""


class DebugUnit(Protocol):
    """What a debugger uses of the system space, where one can be attached."""

    def read(self, address: int) -> int | None:
        """A word; None if the register is none of the unit's."""

    def write(self, address: int, value: int) -> bool:
        """Set a word; False if the register is none of the unit's, or others' as well."""


class SystemRegisters:
    """State behind 0xE000_0000. `count` gives what CYCCNT counts; it is asked at each access."""

    def __init__(self, count: Callable[[], int], set_divide_trap: Callable[[bool], None]) -> None:
        self._set_divide_trap = set_divide_trap
        self.debug: DebugUnit | None = None
        # Told of what was written to a register, once it holds it.
        self.on_write: dict[int, Callable[[int], None]] = {}
        self._logged: set[int] = set()
        self._units: dict[int, RegisterUnit] = {}
        self._not_merged: set[int] = set()
        # By address, registers that count by themselves.
        self.courses: dict[int, Callable[[], Course | None]] = {}
        self.dwt = Dwt(count)
        self.attach(self.dwt)
        self.courses[DWT_CYCCNT] = self.dwt.course
        self.reset()

    def attach(self, unit: RegisterUnit) -> None:
        """Have a unit answer at its addresses."""
        self._units.update(dict.fromkeys(unit.addresses, unit))
        self._not_merged |= unit.not_merged

    def reset(self) -> None:
        """The values after a reset of the core."""
        zero = (ACTLR, VTOR, SCR, CFSR, HFSR, DFSR, MMFAR, BFAR, AFSR, CPACR, DEMCR)
        self._values: dict[int, int] = {
            CPUID: _CPUID_CORTEX_M7_R0P1,
            CCR: 0x0004_0200,  # STKALIGN, branch prediction
            **_IDENTIFICATION,
            **_TCM_CONTROL,
            **dict.fromkeys(zero, 0),
        }
        self.dwt.reset()
        self._set_divide_trap(False)

    def value(self, register: int) -> int:
        """What a register of the system control block holds."""
        return self._values[register]

    def set_value(self, register: int, value: int) -> None:
        """Set a register as the core itself does; software's writes go through `write`."""
        self._values[register] = value

    def set_bits(self, register: int, bits: int) -> None:
        """Set status bits, as the core does when a fault happens."""
        self._values[register] |= bits

    def read(self, offset: int, size_bytes: int) -> int:
        """A load of 1, 2 or 4 bytes."""
        address = BASE + offset
        word = self._read_word(address & ~3)
        return word >> 8 * (address & 3) & ((1 << 8 * size_bytes) - 1)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """A store of 1, 2 or 4 bytes; a narrow one changes its part of the word only."""
        address = BASE + offset
        word_address, shift = address & ~3, 8 * (address & 3)
        mask = ((1 << 8 * size_bytes) - 1) << shift
        value = value << shift & mask
        if word_address in _WRITE_ONE_TO_CLEAR:
            self._values[word_address] &= ~value
            return
        if mask != 0xFFFF_FFFF and word_address not in self._not_merged:
            value |= self._read_word(word_address) & ~mask
        self._write_word(word_address, value & 0xFFFF_FFFF)

    def _read_word(self, address: int) -> int:
        if self.debug is not None and (word := self.debug.read(address)) is not None:
            return word
        if (unit := self._units.get(address)) is not None:
            return unit.read(address)
        if address not in self._values:
            self._log_once("read of", address)
        return self._values.get(address, 0)

    def _write_word(self, address: int, value: int) -> None:
        if self.debug is not None and self.debug.write(address, value):
            return
        if (unit := self._units.get(address)) is not None:
            unit.write(address, value)
        elif address in _READ_ONLY or address not in self._values:
            self._log_once("write to", address)
        else:
            self._values[address] = value & _KEPT_BITS.get(address, 0xFFFF_FFFF)
            self._values[CCR] |= _STKALIGN
            if address == CCR:
                self._set_divide_trap(bool(value & _DIV_0_TRP))
            elif address == DEMCR:
                self.dwt.set_trace(enabled=bool(value & _TRCENA))
            if (tell := self.on_write.get(address)) is not None:
                tell(self._values[address])

    def _log_once(self, what: str, address: int) -> None:
        if address not in self._logged:
            self._logged.add(address)
            _LOG.info("%s %s, which is not modelled", what, format_address(address))
