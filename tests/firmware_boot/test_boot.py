"""Firmware from source to the last byte on its USART, on a board with an STM32F746."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from boot_programs import COMPILERS, build_firmware, skip_without, values

from usim.board import Board

Boot = Callable[..., Board]


@pytest.fixture(params=COMPILERS)
def compiler(request: pytest.FixtureRequest) -> str:
    skip_without(request.param)
    return str(request.param)


def board_of(name: str, compiler: str, folder: Path, **options: object) -> Board:
    return Board(build_firmware(name, compiler, folder), "stm32f746", **options)


def test_blinky_changes_its_led_every_100_ms(compiler, tmp_path):
    with board_of("blinky", compiler, tmp_path) as board:
        board.advance(0.05)
        levels = []
        for _ in range(6):
            levels.append(board.chip.device.bus_read(0x4002_0414, 4)[0] >> 7 & 1)  # GPIOB_ODR
            board.advance(0.1)
        assert levels == [0, 1, 0, 1, 0, 1]


def test_the_echo_comes_back_in_capitals(compiler, tmp_path):
    with board_of("usart_echo", compiler, tmp_path) as board:
        board.wait_for_line("echo", "usart1")
        text = "the quick brown fox jumps over the lazy dog, 0123456789 times; then it sleeps"
        board.send(text + "\n", "usart1")
        board.wait_for_line(text.upper(), "usart1")


# A handler may be late by what was fetched before, not by what accumulates.
@pytest.mark.parametrize("timing", ["count", "full"])
def test_the_period_of_a_timer_is_exact_to_the_cycle(compiler, timing, tmp_path):
    with board_of("timer", compiler, tmp_path, timing=timing) as board:
        board.wait_for_line("done", "usart1")
        told = values(board)
        assert told["nine periods"] == pytest.approx(9 * 16_000, abs=20)
        assert 16_000 - 20 <= told["shortest"] <= told["longest"] <= 16_000 + 20
        if timing == "count":
            assert told == {"shortest": 16_000, "longest": 16_000, "nine periods": 144_000}


@pytest.mark.parametrize("timing", ["count", "full"])
def test_tasks_keep_their_floats_through_context_switches(compiler, timing, tmp_path):
    with board_of("floating_tasks", compiler, tmp_path, timing=timing) as board:
        board.wait_for_line("done", "usart1")
        told = values(board)
        # Sum of 1/i**2 up to 20,000, in single precision: the exact 1.644884 less what is lost.
        assert told["first"] / 1e6 == pytest.approx(1.64473, abs=1e-4)
        assert told["second"] / told["first"] == pytest.approx(3, abs=1e-4)
        lines = board.output("usart1").decode().splitlines()
        assert lines[2:] == ["equal", "interleaved", "done"]


@pytest.mark.parametrize("timing", ["count", "full"])
def test_no_tick_comes_early_or_late_whatever_the_tasks_do(compiler, timing, tmp_path):
    with board_of("floating_tasks", compiler, tmp_path, timing=timing) as board:
        board.run_to("tasks_start")
        began = board.now_s
        board.advance(0.1)
        passed_ms = (board.now_s - began) * 1000
        # The first tick comes a millisecond after SysTick is on, and that a little after `began`.
        assert 0 <= passed_ms - board.chip.device.exceptions_entered[15] < 1.5


def test_at_216_mhz_systick_and_the_cycle_counter_agree(compiler, tmp_path):
    with board_of("clock_216mhz", compiler, tmp_path) as board:
        board.wait_for_line("done", "usart1")
        assert values(board) == {
            "CFGR.SWS": 2,
            "wait states": 7,
            "kilocycles in 10 ticks": 2_160,
        }
        assert board.chip.core_hz == 216_000_000
