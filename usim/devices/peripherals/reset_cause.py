"""Why a chip is reset, as RCC_CSR tells the program afterwards, and how it asks for it itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum

_LOG = logging.getLogger(__name__)


class ResetCause(StrEnum):
    """What asked for the reset."""

    POWER_ON = "power-on"
    PIN = "pin"
    SOFTWARE = "software"
    IWDG = "IWDG"
    WWDG = "WWDG"


class ResetRequest:
    """The chip's own wish to be reset. `on_request` is called with the cause, and acts on it."""

    def __init__(self) -> None:
        self.on_request: Callable[[ResetCause], None] = _log_only

    def __call__(self, cause: ResetCause) -> None:
        """Ask for a reset; whoever runs the core makes it, with `ChipPeripherals.reset`."""
        self.on_request(cause)


def _log_only(cause: ResetCause) -> None:
    _LOG.warning("the %s asks for a reset, which nobody here makes", cause)
