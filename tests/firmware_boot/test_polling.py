"""Loops that poll a register are counted instead of run: nobody can tell from the results."""

from __future__ import annotations

import pytest
from boot_programs import build_firmware

from usim.board import Board


@pytest.mark.parametrize("timing", ["count", "full"])
@pytest.mark.parametrize("name", ["clock_216mhz", "usart_echo", "floating_tasks"])
def test_skipped_iterations_of_polling_loops_are_counted_exactly(name, timing, tmp_path):
    image = build_firmware(name, "clang", tmp_path)
    seen = []
    for skips in (True, False):
        with Board(image, timing=timing) as board:
            board.chip.device.skip_polling(enabled=skips)
            board.wait_for_line("", "usart1", timeout_s=5)
            board.advance(0.002)
            seen.append((board.output("usart1"), board.cycles, board.instructions, board.now_s))
    assert seen[0] == seen[1]
