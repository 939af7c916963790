"""Core cycles as seconds, across every change of the core's clock."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from usim.devices.peripherals.clock_domain import ClockDomain

FEMTOSECONDS: Final = 10**15


class SimulatedTime:
    """Time since the device was opened, from a clock domain that ticks once a femtosecond."""

    def __init__(self, domain: ClockDomain) -> None:
        self.domain = domain

    def femtoseconds(self) -> int:
        """Whole femtoseconds so far; never fewer than before."""
        return self.domain.ticks()

    def seconds(self) -> float:
        """The same in seconds."""
        return self.femtoseconds() / FEMTOSECONDS

    def cycle_at(self, seconds: float | Fraction) -> int | None:
        """The first core cycle at or after a time, if the core's clock stays as it is.

        None if the core has no clock; `domain.on_change` tells when to ask again.
        """
        return self.domain.cycle_of(math.ceil(Fraction(seconds) * FEMTOSECONDS))
