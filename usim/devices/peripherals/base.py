"""What a peripheral is to the embedded device, and a block of 32-bit registers to build one on."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from usim.formatting import format_address

_LOG = logging.getLogger(__name__)
_WORD: Final = 0xFFFF_FFFF


class Peripheral(ABC):
    """Registers at an address.

    Life cycle:
    1. construct with what it acts on (memory, other peripherals), none of which it calls yet;
    2. reset(), as the chip's system reset does it, before the first access and at any time later;
    3. read and write, of 1, 2 or 4 bytes, aligned; a 4-byte register is accessed as one.

    What a register depends on besides, such as another peripheral's state, a clock or, some day, an
    interrupt line, comes in through the constructor as a callable or an object.
    """

    @abstractmethod
    def read(self, offset: int, size_bytes: int) -> int:
        """What a load returns."""

    @abstractmethod
    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """What a store does."""

    @abstractmethod
    def reset(self) -> None:
        """Take the values that the manual gives for after a reset."""


class RegisterBlock(Peripheral):
    """32-bit registers by offset; those that `reset_values` lacks read as zero, ignore writes.

    A subclass overrides `read_word` and `write_word` where a register is more than its value.
    """

    name: ClassVar[str]
    reset_values: ClassVar[dict[int, int]]

    def __init__(self) -> None:
        self._logged: set[int] = set()
        self._values = dict(self.reset_values)

    def reset(self) -> None:
        """Every register as after a system reset."""
        self._values = dict(self.reset_values)

    def read(self, offset: int, size_bytes: int) -> int:
        """A load of 1, 2 or 4 bytes."""
        word = self.read_word(offset & ~3) if self._knows(offset, "read of") else 0
        return word >> 8 * (offset & 3) & ((1 << 8 * size_bytes) - 1)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """A store of 1, 2 or 4 bytes; a narrow one changes its part of the word only."""
        if not self._knows(offset, "write to"):
            return
        shift = 8 * (offset & 3)
        mask = ((1 << 8 * size_bytes) - 1) << shift
        if mask != _WORD:
            value = self._values[offset & ~3] & ~mask | value << shift & mask
        self.write_word(offset & ~3, value & _WORD)

    def read_word(self, offset: int) -> int:
        """The register at `offset`."""
        return self._values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Set the register at `offset`."""
        self._values[offset] = value

    def _knows(self, offset: int, what: str) -> bool:
        if offset & ~3 in self.reset_values:
            return True
        if offset not in self._logged:
            self._logged.add(offset)
            _LOG.info("%s %s + %s, which is not modelled", what, self.name, format_address(offset))
        return False
