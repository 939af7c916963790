"""What a peripheral is to the embedded device, and a block of 32-bit registers to build one on."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from usim.devices.course import Course
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

    def power_on(self) -> None:
        """The same for a reset that the supply causes; some state survives all others."""
        self.reset()

    def changes_with_time(self, offset: int) -> bool:
        """Whether the register at `offset` changes between events too, as counters do."""
        return False

    def courses(self) -> Mapping[int, Callable[[], Course | None]]:
        """By offset, registers that count by themselves, and how each goes on.

        It is asked right behind a read. None: it does not count, or in no way that Course tells.
        """
        return {}

    def register_name(self, offset: int) -> str:
        """What the manual calls the register at `offset`, or the offset."""
        return f"+ {offset:#x}"


class RegisterBlock(Peripheral):
    """32-bit registers by offset; those that `reset_values` lacks read as zero, ignore writes.

    A subclass overrides `read_word` and `write_word` where a register is more than its value.
    """

    # Of the kind of peripheral; an instance may be given its own, such as USART1.
    name: str
    reset_values: ClassVar[Mapping[int, int]]
    # What the manual calls the registers, without the peripheral's name.
    register_names: ClassVar[Mapping[int, str]] = {}
    # Bits by register that select what is not modelled: they are kept, and logged once.
    without_effect: ClassVar[Mapping[int, int]] = {}
    # Registers that change between events too, in a way of which `courses` does not tell.
    counting: ClassVar[frozenset[int]] = frozenset()
    # Registers whose bits a written one clears: what a narrow write leaves out is not written.
    cleared_by_ones: ClassVar[frozenset[int]] = frozenset()

    def __init__(self, name: str | None = None, has: Mapping[int, int] | None = None) -> None:
        """`name` and the registers that it `has`, where they are not those of its kind."""
        if name is not None:
            self.name = name
        self._logged: set[int] = set()
        self._has = self.reset_values if has is None else has
        self._values = dict(self._has)

    def changes_with_time(self, offset: int) -> bool:
        """Whether it is one of `counting`, or has a course."""
        word = offset & ~3
        return word in self.counting or word in self.courses()

    def reset(self) -> None:
        """Every register as after a system reset."""
        self._values = dict(self._has)

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
            kept = 0 if offset & ~3 in self.cleared_by_ones else self._values[offset & ~3]
            value = kept & ~mask | value << shift & mask
        if (ignored := value & self.without_effect.get(offset & ~3, 0)) != 0:
            self._note_ignored(offset & ~3, ignored)
        self.write_word(offset & ~3, value & _WORD)

    def read_word(self, offset: int) -> int:
        """The register at `offset`."""
        return self._values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """Set the register at `offset`."""
        self._values[offset] = value

    def register_name(self, offset: int) -> str:
        """USART1.BRR, or where the manual's name is not known the offset."""
        known = self.register_names.get(offset & ~3)
        return f"{self.name}.{known}" if known else f"{self.name} + {offset:#x}"

    def _knows(self, offset: int, what: str) -> bool:
        if offset & ~3 in self._has:
            return True
        if offset not in self._logged:
            self._logged.add(offset)
            _LOG.info("%s %s, which is not modelled", what, self.register_name(offset))
        return False

    def _note_ignored(self, offset: int, bits: int) -> None:
        self.log_once(
            f"{self.register_name(offset)}: bits {format_address(bits)} have no effect here", offset
        )

    def log_once(self, message: str, key: int) -> None:
        """Say something about this block; again only for another `key`."""
        if ~key not in self._logged:
            self._logged.add(~key)
            _LOG.warning("%s", message)
