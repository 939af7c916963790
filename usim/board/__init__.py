"""Other people's firmware on the emulated chip: reads it, boots it, talks to it, says how it ended.

`Board` is the front door for Python, for `usim exec`, for Robot Framework and for pytest.
"""

from __future__ import annotations

from usim.board.board import Board
from usim.board.ending import Ending
from usim.board.fault_report import FaultReport
from usim.board.serial_line import Said

__all__ = ["Board", "Ending", "FaultReport", "Said"]
