"""Where the cycles of a board's firmware went."""

from __future__ import annotations

from typing import Final

from usim.board import Board
from usim.profile.attribution import Attribution
from usim.profile.loops import find_loops
from usim.profile.recording import Ending, EndReason, Recorder, Request
from usim.report.console import make_console
from usim.report.profile_tables import print_profile

_SHOWN_FUNCTIONS: Final = 20
_REASONS: Final[dict[str, EndReason]] = {
    "exit": "exit", "endless loop": "endless loop", "asleep": "asleep",
}  # fmt: skip


def print_board_profile(board: Board, recorder: Recorder) -> None:
    """What was recorded of an open board, on stderr."""
    ended = board.ending
    pc = board.chip.device.read_register("pc") & ~1
    ending = Ending(
        _REASONS.get(ended.reason, "stopped") if ended else "stopped",
        ended.address if ended else pc,
        ended.code if ended else None,
    )
    request = Request(limit=board.cycles, timing=board.chip.timing)
    fault = ended.fault.summary if ended and ended.fault else None
    recording = recorder.finish(request, board.vector_table, ending, fault)
    attribution = Attribution(recording)
    console = make_console(stderr=True)
    print_profile(console, attribution, find_loops(attribution), _SHOWN_FUNCTIONS)
