"""Why a chip is reset, as RCC_CSR tells the program afterwards."""

from __future__ import annotations

from enum import StrEnum


class ResetCause(StrEnum):
    """What asked for the reset."""

    POWER_ON = "power-on"
    PIN = "pin"
    SOFTWARE = "software"
    IWDG = "IWDG"
    WWDG = "WWDG"
