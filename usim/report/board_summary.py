"""What a firmware's run came to: how it ended, time, cycles, clock."""

from __future__ import annotations

from collections.abc import Iterator

from usim.board import Board
from usim.report.console import make_console


def print_summary(board: Board) -> None:
    """On stderr, where it does not mix with what the firmware printed."""
    console = make_console(stderr=True)
    for line in summary_lines(board):
        console.print(line)


def summary_lines(board: Board) -> Iterator[str]:
    """A few lines."""
    kind = board.count_kind
    yield f"Ended         {board.ending.text if board.ending else 'the firmware would go on'}"
    yield (
        f"Time          {board.now_s * 1e3:,.3f} ms of the chip's, its core now at "
        f"{board.chip.core_hz / 1e6:g} MHz"
    )
    if kind.unit == "cycles":
        yield f"Cycles        {board.cycles:,} ({kind})"
    yield f"Instructions  {board.instructions:,}"
