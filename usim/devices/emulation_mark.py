"""How an emulated chip on a debug probe says that it is one, and what its cycle counter counts.

PIDR3 of the chip's ROM table has a field CMOD, "customer modified" (Arm IHI 0031, D1.2.3), which
is 0 on the vendor's chips.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from usim.devices.base import Timing

ROM_TABLE: Final = 0xE00F_D000  # the STM32F7's (RM0385 40.15)
PIDR3: Final = ROM_TABLE + 0xFEC
CMOD_MASK: Final = 0xF
MARKS: Final[Mapping[Timing, int]] = MappingProxyType({"count": 1, "core": 2, "full": 3})


def timing_of(pidr3: int) -> Timing | None:
    """What the counter of the chip with this PIDR3 counts; None if it does not say."""
    return next((timing for timing, mark in MARKS.items() if mark == pidr3 & CMOD_MASK), None)
