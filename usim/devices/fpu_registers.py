"""Floating-point registers in the system space: lazy stacking's state, identification.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5.7 (lazy preservation), B3.2.20 to
B3.2.24; MVFR0 to MVFR2 from the Cortex-M7 TRM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FPCCR: Final = 0xE000_EF34
FPCAR: Final = 0xE000_EF38
FPDSCR: Final = 0xE000_EF3C
MVFR0: Final = 0xE000_EF40

ASPEN: Final = 1 << 31
LSPEN: Final = 1 << 30
THREAD: Final = 1 << 3
USER: Final = 1 << 1
LSPACT: Final = 1 << 0
# By exception number: the handler could be entered when the frame was stacked.
READY: Final = {12: 1 << 8, 5: 1 << 6, 4: 1 << 5, 3: 1 << 4}
_WRITABLE: Final = ASPEN | LSPEN | sum(READY.values()) | THREAD | USER | LSPACT
_FPDSCR_BITS: Final = 0x07C0_0000
_MVFR_SINGLE: Final = (0x1011_0021, 0x1100_0011, 0x0000_0040)
_MVFR_DOUBLE: Final = (0x1011_0221, 0x1200_0011, 0x0000_0040)


class FpuRegisters:
    """FPCCR, FPCAR, FPDSCR and what the unit is; `on_change` is called when software writes."""

    addresses = frozenset({FPCCR, FPCAR, FPDSCR, MVFR0, MVFR0 + 4, MVFR0 + 8})
    not_merged: frozenset[int] = frozenset()

    def __init__(self, *, double_precision: bool) -> None:
        self._identification = _MVFR_DOUBLE if double_precision else _MVFR_SINGLE
        self.on_change: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        """Automatic and lazy stacking on."""
        self.control = ASPEN | LSPEN
        self.address = self.default_status = 0

    def read(self, address: int) -> int:
        """A word."""
        if address >= MVFR0:
            return self._identification[(address - MVFR0) // 4]
        return {FPCCR: self.control, FPCAR: self.address, FPDSCR: self.default_status}[address]

    def write(self, address: int, value: int) -> None:
        """A word."""
        if address == FPCCR:
            self.control = value & _WRITABLE
        elif address == FPCAR:
            self.address = value & ~7
        elif address == FPDSCR:
            self.default_status = value & _FPDSCR_BITS
        self.on_change()

    @property
    def stacks(self) -> bool:
        """Whether exceptions keep the registers of a program that uses them."""
        return bool(self.control & ASPEN)

    @property
    def stacks_lazily(self) -> bool:
        """Whether the registers are only stored when a handler uses the unit."""
        return bool(self.control & LSPEN)

    @property
    def is_waiting(self) -> bool:
        """Whether there is room on a stack into which the registers have not been stored."""
        return bool(self.control & LSPACT)
