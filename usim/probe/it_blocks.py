"""IT blocks (DDI 0403E A7.3): where they lie, and what a debugger's single step does inside one.

The emulator runs an IT block as a whole. What has to stop inside one stops before the IT
instruction instead, and goes on from there in single steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

ReadHalfword = Callable[[int], int]

# ITSTATE of the last instruction of a block whose condition is AL: it is executed, and its 16-bit
# forms leave the flags alone as inside any IT block.
ALWAYS_LAST: Final = 0xE8
_XPSR_ITSTATE: Final = 0x0600_FC00
# Four instructions of at most 4 bytes may follow an IT instruction; the last is 2 + 3 * 4 away.
_FARTHEST_BYTES: Final = 14


def itstate_of(xpsr: int) -> int:
    """ITSTATE, which xPSR holds in two pieces (B1.4.2)."""
    return xpsr >> 8 & 0xFC | xpsr >> 25 & 3


def with_itstate(xpsr: int, itstate: int) -> int:
    """`xpsr` with another ITSTATE."""
    return xpsr & ~_XPSR_ITSTATE | (itstate & 0xFC) << 8 | (itstate & 3) << 25


def advance(itstate: int) -> int:
    """ITSTATE after an instruction of the block (ITAdvance, A7.3.3)."""
    return 0 if itstate & 7 == 0 else itstate & 0xE0 | itstate << 1 & 0x1F


def begun_by(halfword: int) -> int:
    """ITSTATE that an IT instruction sets; 0 if `halfword` is none (A7.7.38)."""
    return halfword & 0xFF if halfword >> 8 == 0xBF and halfword & 0xF else 0


def size_of(halfword: int) -> int:
    """Bytes of the instruction that begins with `halfword` (A5.1)."""
    return 4 if halfword >> 11 >= 0x1D else 2


def passes(itstate: int, xpsr: int) -> bool:
    """Whether the next instruction of the block is executed (ConditionPassed, A7.3.1)."""
    n, z, c, v = (bool(xpsr & 1 << bit) for bit in (31, 30, 29, 28))
    met = (z, c, n, v, c and not z, n == v, n == v and not z, True)[itstate >> 5]
    return met != bool(itstate & 0x10) or itstate >> 5 == 7


def possible_starts(address: int, read_halfword: ReadHalfword) -> list[int]:
    """Where IT instructions may stand whose block holds the instruction at `address`.

    Code can't be decoded backwards for certain: some of these may be the second half of an
    instruction or data, which is never reached as an instruction.
    """
    return [
        start
        for start in range(address - 2, address - _FARTHEST_BYTES - 1, -2)
        if _holds(start, address, read_halfword)
    ]


def _holds(start: int, address: int, read_halfword: ReadHalfword) -> bool:
    itstate = begun_by(read_halfword(start))
    at = start + 2
    while itstate and at < address:
        itstate = advance(itstate)
        at += size_of(read_halfword(at))
    return bool(itstate) and at == address
