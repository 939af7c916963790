"""The STM32F7's flash sectors (RM0385 and RM0410, chapter 3, "Flash memory organization")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_KIB: Final = 1024
# Four small sectors, one medium, then large ones, in units that depend on the organization.
_SMALL_SECTORS: Final = 4
_MEDIUM: Final = 4
_LARGE: Final = 8
_SINGLE_BANK_UNIT: Final = 32 * _KIB
_DUAL_BANK_UNIT: Final = 16 * _KIB
# FLASH_CR.SNB of the second bank's first sector.
_SECOND_BANK: Final = 0x10


@dataclass(frozen=True, slots=True)
class Sector:
    """A part of the flash that is erased as one, by its number in FLASH_CR.SNB."""

    number: int
    offset: int
    size_bytes: int
    bank: int
    index: int  # counted through both banks

    @property
    def end(self) -> int:
        """The first offset after it."""
        return self.offset + self.size_bytes


def single_bank(size_bytes: int) -> tuple[Sector, ...]:
    """32 KiB four times, 128 KiB, then 256 KiB each: 1 MiB parts, larger ones as delivered."""
    return _bank(0, size_bytes, _SINGLE_BANK_UNIT, 0, 0)


def dual_bank(size_bytes: int) -> tuple[Sector, ...]:
    """Two halves, each of 16 KiB four times, 64 KiB, then 128 KiB each."""
    half = size_bytes // 2
    first = _bank(0, half, _DUAL_BANK_UNIT, 0, 0)
    return first + _bank(half, half, _DUAL_BANK_UNIT, 1, len(first))


def _bank(
    offset: int, size_bytes: int, unit: int, bank: int, first_index: int
) -> tuple[Sector, ...]:
    sizes = [unit] * _SMALL_SECTORS + [unit * _MEDIUM]
    sizes += [unit * _LARGE] * ((size_bytes - sum(sizes)) // (unit * _LARGE))
    sectors = []
    for place, size in enumerate(sizes):
        number = place + bank * _SECOND_BANK
        sectors.append(Sector(number, offset, size, bank, first_index + place))
        offset += size
    return tuple(sectors)
