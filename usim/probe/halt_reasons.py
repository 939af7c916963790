"""Why a core halts, and which exceptions make it: DFSR and DEMCR (DDI 0403E C1.6.1, C1.6.5)."""

from __future__ import annotations

from enum import IntFlag
from typing import Final


class HaltReason(IntFlag):
    """Why the core halted: the bits of DFSR (C1.6.1)."""

    NONE = 0
    HALTED = 1 << 0  # asked to, or after a step
    BKPT = 1 << 1  # a breakpoint, of either kind
    DWTTRAP = 1 << 2  # a watchpoint
    VCATCH = 1 << 3  # a vector catch
    EXTERNAL = 1 << 4


class VectorCatch(IntFlag):
    """Which exceptions halt the core when they are entered: bits of DEMCR (C1.6.5)."""

    NONE = 0
    CORERESET = 1 << 0
    MMERR = 1 << 4
    NOCPERR = 1 << 5
    CHKERR = 1 << 6
    STATERR = 1 << 7
    BUSERR = 1 << 8
    INTERR = 1 << 9
    HARDERR = 1 << 10


# Exception number -> the catches that apply. Which fault it was in particular is not asked.
CATCHES: Final = {
    3: VectorCatch.HARDERR | VectorCatch.INTERR,
    4: VectorCatch.MMERR,
    5: VectorCatch.BUSERR,
    6: VectorCatch.NOCPERR | VectorCatch.CHKERR | VectorCatch.STATERR,
}
