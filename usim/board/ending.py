"""How a firmware on a board came to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from usim.board.fault_report import FaultReport

EndReason = Literal["exit", "fault", "lockup", "stuck", "endless loop", "asleep", "interrupted"]


@dataclass(frozen=True, slots=True)
class Ending:
    """Why nothing more will come of a firmware, at which address.

    `text` says it in a line. `code` is that of a semihosting exit, `fault` the report of the first
    fault that no handler returned from.
    """

    reason: EndReason
    address: int
    text: str
    code: int | None = None
    fault: FaultReport | None = None

    @property
    def crashed(self) -> bool:
        """Whether the firmware failed: a fault, a lockup, a handler that does not return."""
        return self.reason in ("fault", "lockup", "stuck")
