"""Runs a bare-metal program of C on the embedded chip; what it tells with tell()."""

from __future__ import annotations

from pathlib import Path

from firmware import build

from usim.board import Board
from usim.devices.base import Timing

HERE = Path(__file__).parent
HEADER = (HERE / "firmware.h").read_text(encoding="utf-8")
# The header is part of the one file, which need not use all of it.
FLAGS = ("-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-variable")


def image_of(source: str, folder: Path) -> Path:
    path = folder / "firmware.elf"
    path.write_bytes(build(HEADER + source, "firmware.c", flags=FLAGS))
    return path


def told(board: Board) -> dict[str, int]:
    """The values by name that the program has told so far."""
    lines = bytes(board.line("semihosting").data).decode().splitlines()
    return {name: int(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def run(
    source: str, folder: Path, *, timing: Timing = "count", platform: str = "stm32f746"
) -> dict[str, int]:
    """Let a program run to its end, which has to be its own."""
    with Board(image_of(source, folder), platform, timing=timing) as board:
        ending = board.run(until_s=60)
        assert ending is not None, "it still runs"
        assert (ending.reason, ending.code) == ("exit", 0), ending.text
        return told(board)
