"""Loops that wait are counted instead of run: nobody can tell from the results."""

from __future__ import annotations

import pytest
from boot_programs import build_firmware

from usim.board import Board


@pytest.mark.parametrize("timing", ["count", "core", "full"])
@pytest.mark.parametrize("name", ["clock_216mhz", "usart_echo", "floating_tasks", "waiting"])
def test_skipped_rounds_of_waiting_loops_are_counted_exactly(name, timing, tmp_path):
    image = build_firmware(name, "clang", tmp_path)
    seen = []
    for skips in (True, False):
        with Board(image, timing=timing) as board:
            board.chip.device.skip_polling(enabled=skips)
            board.wait_for_line("done" if name == "waiting" else "", "usart1", timeout_s=5)
            board.advance(0.002)
            device = board.chip.device
            seen.append((board.output("usart1"), board.cycles, board.instructions, board.now_s))
            seen[-1] += tuple(device.read_register(f"r{i}") for i in range(16))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("timing", ["count", "full"])
def test_loops_wait_as_long_as_the_chip_s_clocks_say(timing, tmp_path):
    with Board(build_firmware("waiting", "clang", tmp_path), timing=timing) as board:
        board.wait_for_line("done", "usart1", timeout_s=5)
        lines = [line.rpartition(" ") for line in board.output("usart1").decode().splitlines()]
        waited = {name: int(value) for name, _, value in lines if value.isdigit()}
    # A round of a loop late, the call and the reads included.
    late = 60
    assert waited["a tick in memory"] == pytest.approx(4 * 16_000, abs=late)
    assert waited["a slow counter"] == pytest.approx(4 * 20_000, abs=late)
    assert waited["one pulse"] == pytest.approx(50_001, abs=late)
    assert waited["flags of SysTick"] == pytest.approx(4 * 16_000, abs=late)


def test_what_waits_for_a_tick_is_not_run_to_the_end(tmp_path):
    with Board(build_firmware("waiting", "clang", tmp_path), timing="full") as board:
        board.wait_for_line("a tick in memory", "usart1", timeout_s=5)
        assert board.chip.device.skipped_instructions > 0.5 * board.instructions
