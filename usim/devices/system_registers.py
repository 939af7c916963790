"""The system registers of a Cortex-M7 that programs of usim touch: SCB, DCB and DWT.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B3.2 (system control space) and C1.8
(DWT). Registers that are not listed read as zero and ignore writes; each is logged once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar, Final, Protocol

from usim.formatting import format_address

_LOG = logging.getLogger(__name__)

BASE: Final = 0xE000_0000
SIZE_BYTES: Final = 0x10_0000

DWT_CTRL: Final = 0xE000_1000
DWT_CYCCNT: Final = 0xE000_1004
DWT_LAR: Final = 0xE000_1FB0
DWT_LSR: Final = 0xE000_1FB4
CPUID: Final = 0xE000_ED00
VTOR: Final = 0xE000_ED08
AIRCR: Final = 0xE000_ED0C
CCR: Final = 0xE000_ED14
SHCSR: Final = 0xE000_ED24
CFSR: Final = 0xE000_ED28
HFSR: Final = 0xE000_ED2C
DFSR: Final = 0xE000_ED30
MMFAR: Final = 0xE000_ED34
BFAR: Final = 0xE000_ED38
CLIDR: Final = 0xE000_ED78
CCSIDR: Final = 0xE000_ED80
CSSELR: Final = 0xE000_ED84
ICIALLU: Final = 0xE000_EF50
DCISW: Final = 0xE000_EF60
DCCSW: Final = 0xE000_EF6C
DCCISW: Final = 0xE000_EF74
CPACR: Final = 0xE000_ED88
DEMCR: Final = 0xE000_EDFC

_CPUID_CORTEX_M7_R0P1: Final = 0x410F_C271  # the STM32F74x's
_LAR_KEY: Final = 0xC5AC_CE55
_CYCCNTENA: Final = 1 << 0
_TRCENA: Final = 1 << 24
_DIV_0_TRP: Final = 1 << 4
# SHCSR enable bits of MemManage, BusFault, UsageFault, by exception number.
_CCR_DC: Final = 1 << 16
_CCR_IC: Final = 1 << 17
_BY_SET_AND_WAY: Final = frozenset({DCISW, DCCSW, DCCISW})
_ENABLES: Final = {4: 1 << 16, 5: 1 << 17, 6: 1 << 18}
_WRITE_ONE_TO_CLEAR: Final = frozenset({CFSR, HFSR, DFSR})
_DWT_CTRL_FIXED: Final = 0x4000_0000  # four comparators
_LSR_PRESENT: Final = 1


class Caches(Protocol):
    """What the cache registers (B3.2.19, B4.8) act on."""

    def restart(self) -> None: ...

    def enable(self, *, instruction: bool, data: bool) -> None: ...

    def invalidate_instructions(self) -> None: ...

    def maintain(self, set_way: int, *, invalidate: bool) -> None: ...

    def geometry(self, *, instruction: bool) -> int: ...


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
        # What the cache registers act on; None where memory has no timing.
        self.caches: Caches | None = None
        self.debug: DebugUnit | None = None
        self._logged: set[int] = set()
        self.dwt = Dwt(count)
        self.reset()

    def reset(self) -> None:
        """The values after a reset of the core."""
        self._values: dict[int, int] = {
            CPUID: _CPUID_CORTEX_M7_R0P1,
            AIRCR: 0xFA05_0000,
            CCR: 0x0004_0200,  # STKALIGN, branch prediction
            **dict.fromkeys((VTOR, CSSELR, SHCSR, CFSR, HFSR, DFSR, MMFAR, BFAR, CPACR, DEMCR), 0),
        }
        self.dwt.reset()
        self._set_divide_trap(False)
        if self.caches is not None:
            self.caches.restart()

    def value(self, register: int) -> int:
        """What a register of the system control block holds."""
        return self._values[register]

    def set_value(self, register: int, value: int) -> None:
        """Set a register as the core itself does; software's writes go through `write`."""
        self._values[register] = value

    def set_bits(self, register: int, bits: int) -> None:
        """Set status bits, as the core does when a fault happens."""
        self._values[register] |= bits

    def fault_enabled(self, exception: int) -> bool:
        """Whether SHCSR enables a configurable fault."""
        return bool(self._values[SHCSR] & _ENABLES.get(exception, 0))

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
        if word_address in _WRITE_ONE_TO_CLEAR:
            self._values[word_address] &= ~(value << shift & mask)
            return
        if mask != 0xFFFF_FFFF:
            value = self._read_word(word_address) & ~mask | value << shift & mask
        self._write_word(word_address, value & 0xFFFF_FFFF)

    def _read_word(self, address: int) -> int:
        if self.debug is not None and (word := self.debug.read(address)) is not None:
            return word
        if address in Dwt.REGISTERS:
            return self.dwt.read(address)
        if address == CCSIDR and self.caches is not None:
            return self.caches.geometry(instruction=bool(self._values[CSSELR] & 1))
        if address not in self._values:
            self._log_once("read of", address)
        return self._values.get(address, 0)

    def _write_word(self, address: int, value: int) -> None:
        if self.debug is not None and self.debug.write(address, value):
            return
        if address in Dwt.REGISTERS:
            self.dwt.write(address, value)
        elif address in _BY_SET_AND_WAY or address == ICIALLU:
            self._maintain_caches(address, value)
        elif address == CPUID or address not in self._values:
            self._log_once("write to", address)
        else:
            self._values[address] = value
            if address == CCR:
                self._set_divide_trap(bool(value & _DIV_0_TRP))
                if self.caches is not None:
                    self.caches.enable(
                        instruction=bool(value & _CCR_IC), data=bool(value & _CCR_DC)
                    )
            elif address == DEMCR:
                self.dwt.set_trace(enabled=bool(value & _TRCENA))

    def _maintain_caches(self, address: int, value: int) -> None:
        if self.caches is None:
            return
        if address == ICIALLU:
            self.caches.invalidate_instructions()
        else:
            self.caches.maintain(value, invalidate=address != DCCSW)

    def _log_once(self, what: str, address: int) -> None:
        if address not in self._logged:
            self._logged.add(address)
            _LOG.info("%s %s, which is not modelled", what, format_address(address))


class Dwt:
    """The cycle counter of the data watchpoint and trace unit (C1.8)."""

    REGISTERS: ClassVar = frozenset({DWT_CTRL, DWT_CYCCNT, DWT_LAR, DWT_LSR})

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self.reset()

    def reset(self) -> None:
        """Locked, stopped, at zero."""
        self._locked = True
        self._enabled = self._trace = False
        # While counting, CYCCNT is count() - _offset; stopped, it is _frozen.
        self._offset = self._frozen = 0

    @property
    def cyccnt(self) -> int:
        """CYCCNT, 32 bits."""
        if self._enabled and self._trace:
            return (self._count() - self._offset) & 0xFFFF_FFFF
        return self._frozen

    def read(self, address: int) -> int:
        """A word of REGISTERS; LAR reads as zero."""
        if address == DWT_CYCCNT:
            return self.cyccnt
        if address == DWT_CTRL:
            return _DWT_CTRL_FIXED | int(self._enabled)
        return _LSR_PRESENT | int(self._locked) << 1 if address == DWT_LSR else 0

    def write(self, address: int, value: int) -> None:
        """A word of REGISTERS. Locked, the unit ignores software's writes, as on the Cortex-M7."""
        if address == DWT_LAR:
            self._locked = value != _LAR_KEY
        elif not self._locked:
            self.set(address, value)

    def set(self, address: int, value: int) -> None:
        """A word of REGISTERS as a debugger writes it, for whom there is no lock."""
        if address == DWT_CYCCNT:
            self._set(value)
        elif address == DWT_CTRL:
            self._switch(enabled=bool(value & _CYCCNTENA), trace=self._trace)

    def set_trace(self, *, enabled: bool) -> None:
        """DEMCR.TRCENA: the unit's own enable."""
        self._switch(enabled=self._enabled, trace=enabled)

    def _switch(self, *, enabled: bool, trace: bool) -> None:
        value = self.cyccnt
        self._enabled, self._trace = enabled, trace
        self._set(value)

    def _set(self, value: int) -> None:
        self._frozen = value
        self._offset = self._count() - value
