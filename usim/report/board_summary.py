"""What a firmware's run came to: how it ended, time, cycles, clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from usim.board import Board, FaultReport
from usim.report.console import make_console

_SHOWN_BYTES: Final = 300


def print_summary(board: Board) -> None:
    """On stderr, where it does not mix with what the firmware printed."""
    console = make_console(stderr=True)
    for line in summary_lines(board):
        console.print(line)


def summary_lines(board: Board) -> Iterator[str]:
    """A few lines."""
    kind = board.count_kind
    at = board.program.describe(board.chip.device.read_register("pc") & ~1)
    yield f"Ended         {board.ending.text if board.ending else f'not yet, it is at {at}'}"
    yield (
        f"Time          {board.now_s * 1e3:,.3f} ms of the chip's, its core now at "
        f"{board.chip.core_hz / 1e6:g} MHz"
    )
    if kind.unit == "cycles":
        yield f"Cycles        {board.cycles:,} ({kind.source}, {kind.fidelity})"
    yield f"Instructions  {board.instructions:,}"
    device = board.chip.device
    entered = [f"{device.exception_name(n)} {times:,}" for n, times in _entered(board).items()]
    if entered:
        yield f"Exceptions    {', '.join(entered)}"
    resets = [f"{cause} {times:,}" for cause, times in board.runner.resets.items()]
    if resets:
        yield f"Resets        {', '.join(resets)}"
    missing = [f"{name} ({times:,} accesses)" for name, times in _unmodelled(board).items()]
    if missing:
        yield f"Not modelled  {', '.join(missing)}"


def _entered(board: Board) -> dict[int, int]:
    return dict(sorted(board.chip.device.exceptions_entered.items()))


def _unmodelled(board: Board) -> dict[str, int]:
    """Accesses to blocks that usim lacks, by block."""
    blocks = board.chip.device.chip.unmodelled
    return {block.name: block.accesses.total() for block in blocks if block.accesses}


def describe_board(board: Board) -> str:
    """For a failed test's report: where the firmware is, its fault, the last that it sent."""
    lines = list(summary_lines(board))
    fault = board.ending.fault if board.ending else None
    lines += fault.lines() if fault else ()
    for name, line in board.lines.items():
        if line.data:
            lines.append(f"Last of {name}: {bytes(line.data[-_SHOWN_BYTES:])!r}")
    return "\n".join(lines)


def summary_as_json(board: Board, failure: str) -> dict[str, object]:
    """The same for programs; `failure` is the error's text, empty without one."""
    ending, kind = board.ending, board.count_kind
    return {
        "format": 1,
        "image": board.program.file,
        "platform": board.platform.name,
        "count": {"unit": kind.unit, "source": kind.source, "fidelity": kind.fidelity},
        "exceptions": {
            board.chip.device.exception_name(number): times
            for number, times in _entered(board).items()
        },
        "resets": dict(board.runner.resets),
        "not_modelled": _unmodelled(board),
        "end": {
            "reason": ending.reason if ending else None,
            "address": ending.address if ending else None,
            "text": ending.text if ending else None,
            "exit_code": ending.code if ending else None,
        },
        "failure": failure or None,
        "fault": _fault(ending.fault) if ending and ending.fault else None,
        "seconds": board.now_s,
        "cycles": board.cycles,
        "instructions": board.instructions,
        "core_hz": board.chip.core_hz,
        "usarts": {name: len(line.data) for name, line in board.lines.items() if line.data},
    }


def _fault(fault: FaultReport) -> dict[str, object]:
    return {
        "kind": fault.name,
        "cause": fault.cause,
        "place": fault.place,
        "registers": {**(fault.record.registers or {}), "sp": fault.record.sp},
        "cfsr": fault.record.cfsr,
        "hfsr": fault.record.hfsr,
    }
