"""Where in a block of Thumb code a run can end: between instructions, but not inside an IT block.

Unicorn runs an IT block as a whole; a chip can be interrupted inside one. Source: DDI 0403E A5.1
(sizes), A7.3.2 (IT), A6.4 to A6.7 (floating-point encodings), A7.7.127, A7.7.195 (SDIV, UDIV).
"""

from __future__ import annotations

from collections.abc import Iterator


def size_of(first: int) -> int:
    """Bytes of an instruction by its first halfword."""
    return 4 if first >> 11 >= 0x1D else 2


def instructions_in(code: bytes, address: int) -> list[int]:
    """The addresses of all instructions."""
    places, offset = [], 0
    while offset + 2 <= len(code):
        places.append(address + offset)
        offset += size_of(int.from_bytes(code[offset : offset + 2], "little"))
    return places


def boundaries_in(code: bytes, address: int, in_it_block: int) -> list[int]:
    """Where a run can end before an instruction; the first `in_it_block` are conditional."""
    places, left = [], in_it_block
    for place in instructions_in(code, address):
        if not left:
            places.append(place)
        offset = place - address
        first = int.from_bytes(code[offset : offset + 2], "little")
        mask = first & 0xF
        if first >> 8 == 0xBF and mask:
            left = 5 - (mask & -mask).bit_length()
        elif left:
            left -= 1
    return places


def first_floating_point(code: bytes, address: int) -> int:
    """The first instruction of coprocessors 10 and 11; the block's start if there is none."""
    for place in instructions_in(code, address):
        offset = place - address
        first, second = (int.from_bytes(code[at : at + 2], "little") for at in (offset, offset + 2))
        if first & 0xEC00 == 0xEC00 and second & 0x0E00 == 0x0A00:
            return place
    return address


def divisions_in(code: bytes, address: int) -> Iterator[int]:
    """Where SDIV and UDIV stand."""
    for place in instructions_in(code, address):
        offset = place - address
        first, second = (int.from_bytes(code[at : at + 2], "little") for at in (offset, offset + 2))
        if first & 0xFFF0 in (0xFB90, 0xFBB0) and second & 0xF0F0 == 0xF0F0:
            yield place
