"""Arm relocations of Thumb code and data: patch one place for one symbol's address.

Source: ELF for the Arm Architecture (IHI 0044), "Relocation types"; Armv7-M Architecture Reference
Manual (DDI 0403E), A7.7 (encodings of B, BL, MOVW, MOVT).
S is the symbol's address, T 1 for a Thumb function, A the addend found in place, P the place.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from usim.errors import LinkError
from usim.formatting import format_address


class RelocationType(IntEnum):
    """The static relocations that compilers emit for Thumb code and its data."""

    NONE = 0
    ABS32 = 2
    REL32 = 3
    THM_CALL = 10
    THM_JUMP24 = 30
    TARGET1 = 38
    V4BX = 40
    THM_MOVW_ABS_NC = 47
    THM_MOVT_ABS = 48
    THM_MOVW_PREL_NC = 49
    THM_MOVT_PREL = 50
    THM_JUMP19 = 51


BRANCHES: Final = frozenset({RelocationType.THM_CALL, RelocationType.THM_JUMP24})
_MASK32: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Target:
    """What a relocation refers to."""

    name: str
    address: int  # bit 0 clear
    thumb: bool  # a function: its address has bit 0 set where it is stored

    @property
    def value(self) -> int:
        """(S | T): the address as a pointer to it is written."""
        return self.address | int(self.thumb)


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _halfwords(memory: bytearray, offset: int) -> tuple[int, int]:
    first, second = struct.unpack_from("<HH", memory, offset)
    return first, second


def _branch24_addend(first: int, second: int) -> int:
    sign, j1, j2 = first >> 10 & 1, second >> 13 & 1, second >> 11 & 1
    i1, i2 = 1 - (j1 ^ sign), 1 - (j2 ^ sign)
    value = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
    return _signed(value, 25)


def branch_reaches(place: int, address: int) -> bool:
    """Whether BL or B.W at `place` reaches `address` (plus or minus 16 MiB)."""
    return -(1 << 24) <= address - (place + 4) < (1 << 24)


def _patch_branch24(memory: bytearray, offset: int, place: int, target: Target) -> None:
    first, second = _halfwords(memory, offset)
    distance = target.address + _branch24_addend(first, second) - place
    if not -(1 << 24) <= distance < (1 << 24):
        raise _out_of_range(place, target)
    value = distance & 0x1FF_FFFF
    sign = value >> 24 & 1
    j1, j2 = 1 - (value >> 23 & 1) ^ sign, 1 - (value >> 22 & 1) ^ sign
    first = (first & 0xF800) | sign << 10 | (value >> 12 & 0x3FF)
    second = (second & 0xD000) | j1 << 13 | j2 << 11 | (value >> 1 & 0x7FF)
    struct.pack_into("<HH", memory, offset, first, second)


def _patch_branch19(memory: bytearray, offset: int, place: int, target: Target) -> None:
    first, second = _halfwords(memory, offset)
    addend = _signed(
        (first >> 10 & 1) << 20
        | (second >> 11 & 1) << 19
        | (second >> 13 & 1) << 18
        | (first & 0x3F) << 12
        | (second & 0x7FF) << 1,
        21,
    )
    distance = target.address + addend - place
    if not -(1 << 20) <= distance < (1 << 20):
        raise _out_of_range(place, target)
    value = distance & 0x1F_FFFF
    first = (first & 0xFBC0) | (value >> 20 & 1) << 10 | (value >> 12 & 0x3F)
    second = (second & 0xD000) | (value >> 18 & 1) << 13 | (value >> 19 & 1) << 11
    struct.pack_into("<HH", memory, offset, first, second | (value >> 1 & 0x7FF))


def _patch_move(memory: bytearray, offset: int, base: int, target: Target, *, top: bool) -> None:
    """MOVW (low half) or MOVT (high half); `base` is P for the PC-relative forms, else 0."""
    first, second = _halfwords(memory, offset)
    addend = _signed(
        (first & 0xF) << 12 | (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | (second & 0xFF),
        16,
    )
    # MOVT takes S without the Thumb bit; in its upper half that makes no difference.
    value = (target.value + addend - base) & _MASK32
    half = value >> 16 if top else value & 0xFFFF
    first = (first & 0xFBF0) | (half >> 11 & 1) << 10 | half >> 12
    second = (second & 0x8F00) | (half >> 8 & 7) << 12 | (half & 0xFF)
    struct.pack_into("<HH", memory, offset, first, second)


def _patch_word(memory: bytearray, offset: int, base: int, target: Target) -> None:
    (addend,) = struct.unpack_from("<I", memory, offset)
    struct.pack_into("<I", memory, offset, (target.value + addend - base) & _MASK32)


def _out_of_range(place: int, target: Target) -> LinkError:
    return LinkError(
        f"{target.name} at {format_address(target.address)} is out of a branch's reach "
        f"from {format_address(place)}",
        symbol=target.name,
    )


def relocate(memory: bytearray, offset: int, place: int, kind: int, target: Target) -> None:
    """Patch `memory` at `offset`, which will be at address `place`; LinkError if it can't be."""
    t = RelocationType
    match kind:
        case t.NONE | t.V4BX:
            pass
        case t.ABS32 | t.TARGET1:
            _patch_word(memory, offset, 0, target)
        case t.REL32:
            _patch_word(memory, offset, place, target)
        case t.THM_CALL | t.THM_JUMP24:
            _patch_branch24(memory, offset, place, target)
        case t.THM_JUMP19:
            _patch_branch19(memory, offset, place, target)
        case t.THM_MOVW_ABS_NC | t.THM_MOVT_ABS:
            _patch_move(memory, offset, 0, target, top=kind == t.THM_MOVT_ABS)
        case t.THM_MOVW_PREL_NC | t.THM_MOVT_PREL:
            _patch_move(memory, offset, place, target, top=kind == t.THM_MOVT_PREL)
        case _:
            raise LinkError(
                f"relocation type {kind} for {target.name} is not supported "
                "(compile position-dependent Thumb code)",
                relocation=kind,
            )
