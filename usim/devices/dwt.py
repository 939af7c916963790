"""The cycle counter of the data watchpoint and trace unit (DDI 0403E, C1.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from usim.devices.course import ENDLESS, EVERY_CYCLE, Course

DWT_CTRL: Final = 0xE000_1000
DWT_CYCCNT: Final = 0xE000_1004
DWT_LAR: Final = 0xE000_1FB0
DWT_LSR: Final = 0xE000_1FB4

_LAR_KEY: Final = 0xC5AC_CE55
_CYCCNTENA: Final = 1 << 0
_DWT_CTRL_FIXED: Final = 0x4000_0000  # four comparators
_LSR_PRESENT: Final = 1


class Dwt:
    """The cycle counter of the data watchpoint and trace unit (C1.8)."""

    addresses: ClassVar = frozenset({DWT_CTRL, DWT_CYCCNT, DWT_LAR, DWT_LSR})
    not_merged: ClassVar[frozenset[int]] = frozenset()

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

    def course(self) -> Course | None:
        """How CYCCNT goes on; None while it does not count."""
        counts = self._enabled and self._trace
        return Course(self.cyccnt, EVERY_CYCLE, ENDLESS) if counts else None

    def read(self, address: int) -> int:
        """A word; LAR reads as zero."""
        if address == DWT_CYCCNT:
            return self.cyccnt
        if address == DWT_CTRL:
            return _DWT_CTRL_FIXED | int(self._enabled)
        return _LSR_PRESENT | int(self._locked) << 1 if address == DWT_LSR else 0

    def write(self, address: int, value: int) -> None:
        """A word. Locked, the unit ignores software's writes, as on the Cortex-M7."""
        if address == DWT_LAR:
            self._locked = value != _LAR_KEY
        elif not self._locked:
            self.set(address, value)

    def set(self, address: int, value: int) -> None:
        """A word as a debugger writes it, for whom there is no lock."""
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
