"""The comparators of the data watchpoint and trace unit: four watchpoints (DDI 0403E C1.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from usim.probe.shared_watchpoints import SharedWatchpoints
from usim.timing.counter import Watched, Watchpoint

_FIRST: Final = 0xE000_1020
_STRIDE: Final = 16
COMPARATORS: Final = 4  # of the Cortex-M7 (TRM, Debug); DWT_CTRL says so
_COMP, _MASK, _FUNCTION = 0, 4, 8
_MATCHED: Final = 1 << 24
_MASK_BITS: Final = 0x1F
# FUNCTION -> what it watches. Others, for trace and for values, watch nothing here.
_ACCESSES: Final = {
    5: Watched.READS,
    6: Watched.WRITES,
    7: Watched.READS | Watched.WRITES,
}


@dataclass(slots=True)
class _Comparator:
    address: int = 0
    mask: int = 0  # how many low bits of the address don't count
    function: int = 0
    matched: bool = False

    def watchpoint(self) -> Watchpoint | None:
        """What it watches."""
        accesses = _ACCESSES.get(self.function)
        if accesses is None:
            return None
        return Watchpoint(self.address & -(1 << self.mask), 1 << self.mask, accesses)


class WatchpointUnit:
    """DWT_COMP, MASK and FUNCTION 0-3, for one of the chip's debuggers."""

    def __init__(self, shared: SharedWatchpoints, debugger: str) -> None:
        self._shared = shared
        self._debugger = debugger
        self._seen_hits = shared.hit_count
        self._comparators = [_Comparator() for _ in range(COMPARATORS)]

    def read(self, address: int) -> int | None:
        """A register; None if the address is none of the unit's. FUNCTION clears its MATCHED."""
        comparator, register = self._find(address)
        if comparator is None:
            return None
        if register == _COMP:
            return comparator.address
        if register == _MASK:
            return comparator.mask
        self._note_hit()
        matched, comparator.matched = comparator.matched, False
        return comparator.function | (_MATCHED if matched else 0)

    def write(self, address: int, value: int) -> bool:
        """Set a register; False if the address is none of the unit's."""
        comparator, register = self._find(address)
        if comparator is None:
            return False
        if register == _COMP:
            comparator.address = value
        elif register == _MASK:
            comparator.mask = value & _MASK_BITS
        else:
            comparator.function = value & 0xF
        self.place()
        return True

    def place(self) -> None:
        """Give the chip its watchpoints."""
        watchpoints = (comparator.watchpoint() for comparator in self._comparators)
        self._shared.replace(self._debugger, [item for item in watchpoints if item is not None])

    def _find(self, address: int) -> tuple[_Comparator | None, int]:
        number, register = divmod(address - _FIRST, _STRIDE)
        if not 0 <= number < COMPARATORS or register > _FUNCTION:
            return None, 0
        return self._comparators[number], register

    def _note_hit(self) -> None:
        if self._shared.hit_count == self._seen_hits:
            return
        self._seen_hits = self._shared.hit_count
        for comparator in self._comparators:
            watchpoint = comparator.watchpoint()
            if watchpoint is not None and watchpoint.address == self._shared.hit_address:
                comparator.matched = True
