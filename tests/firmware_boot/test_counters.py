"""Loads from counters that are answered natively find what those that Python serves do."""

from __future__ import annotations

from pathlib import Path

import pytest
from boot_programs import build_firmware

from usim.board import Board
from usim.devices.base import Timing


def _run(
    image: Path, timing: Timing, *, native: bool = True, patience: int | None = None
) -> tuple[object, ...]:
    """All that can be told from outside."""
    with Board(image, timing=timing) as board:
        device = board.chip.device
        engine = device.core.engine
        engine.counting.enabled = native
        device.skip_polling(enabled=native)
        if patience is not None:
            engine._hooks.patience, engine._hooks.few = patience, 0
        board.wait_for_line("done", "usart1", timeout_s=5)
        board.advance(0.001)
        return board.output("usart1"), board.cycles, board.instructions, board.now_s


@pytest.mark.parametrize("timing", ["count", "core", "full"])
@pytest.mark.parametrize("optimization", ["-O0", "-O2"])
def test_counters_show_the_same_natively(timing, optimization, tmp_path):
    image = build_firmware("counters", "clang", tmp_path, optimization)
    assert _run(image, timing) == _run(image, timing, native=False)


@pytest.mark.parametrize("timing", ["count", "full"])
def test_hooks_that_were_taken_away_are_back_when_they_are_needed(timing, tmp_path):
    image = build_firmware("counters", "clang", tmp_path, "-O0")
    assert _run(image, timing, patience=100) == _run(image, timing, patience=1 << 60)
