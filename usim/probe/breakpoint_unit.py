"""The flash patch and breakpoint unit, version 2: eight comparators for any address (C1.11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

FP_CTRL: Final = 0xE000_2000
_FP_REMAP: Final = 0xE000_2004
_FP_COMP0: Final = 0xE000_2008
COMPARATORS: Final = 8  # of the Cortex-M7 (TRM, Debug)
_VERSION_2: Final = 1 << 28
_ENABLE, _KEY = 1 << 0, 1 << 1


class BreakpointUnit:
    """FP_CTRL and FP_COMP0-7. `place` gets all breakpoints whenever they change."""

    def __init__(self, place: Callable[[Iterable[int]], None]) -> None:
        self._place = place
        self._enabled = False
        self._comparators = [0] * COMPARATORS

    def read(self, address: int) -> int | None:
        """A register; None if the address is none of the unit's."""
        if address == FP_CTRL:
            return _VERSION_2 | COMPARATORS << 4 | int(self._enabled)
        if address == _FP_REMAP:
            return 0  # patching is not supported, as on the Cortex-M7
        number = (address - _FP_COMP0) // 4
        return self._comparators[number] if 0 <= number < COMPARATORS else None

    def write(self, address: int, value: int) -> bool:
        """Set a register; False if the address is none of the unit's."""
        number = (address - _FP_COMP0) // 4
        if address == FP_CTRL:
            if not value & _KEY:
                return True
            self._enabled = bool(value & _ENABLE)
        elif 0 <= number < COMPARATORS:
            self._comparators[number] = value
        else:
            return address == _FP_REMAP
        self.place()
        return True

    def place(self) -> None:
        """Give the chip its breakpoints."""
        enabled = [value & ~1 for value in self._comparators if value & 1]
        self._place(enabled if self._enabled else [])
