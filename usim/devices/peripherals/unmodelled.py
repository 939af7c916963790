"""Blocks that the chip has and usim does not: firmware may set them up, and nothing happens."""

from __future__ import annotations

import logging
from collections import Counter

from usim.devices.peripherals.base import Peripheral

_LOG = logging.getLogger(__name__)


class UnmodelledBlock(Peripheral):
    """Reads as the value that its tag gives, ignores writes; warns once a register, and counts."""

    def __init__(self, name: str, value: int = 0) -> None:
        self.name = name
        self._value = value
        # Accesses by register's offset, for a report at the end.
        self.accesses: Counter[int] = Counter()

    def read(self, offset: int, size_bytes: int) -> int:
        """The same from every register."""
        self._note(offset, "read of")
        return self._value >> 8 * (offset & 3) & ((1 << 8 * size_bytes) - 1)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Ignored."""
        self._note(offset, "write to")

    def reset(self) -> None:
        """Nothing; the counts go on."""

    def register_name(self, offset: int) -> str:
        """LTDC + 0x10."""
        return f"{self.name} + {offset:#x}"

    def _note(self, offset: int, what: str) -> None:
        register = offset & ~3
        self.accesses[register] += 1
        if self.accesses[register] == 1:
            _LOG.warning(
                "%s %s: %s is not modelled, so that it reads as %#x and ignores writes",
                what,
                self.register_name(register),
                self.name,
                self._value,
            )
