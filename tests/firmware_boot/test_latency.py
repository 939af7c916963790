"""From an event to the handler's first instruction: 12 cycles, with all in tightly coupled memory.

12 is Arm's figure for a Cortex-M7 without wait states (docs/timing.md, "Exceptions and time").
"""

from __future__ import annotations

import pytest
from boot_programs import COMPILERS, build_firmware, skip_without

from usim.board import Board

LATENCY, PHASES = 12, 16


@pytest.fixture(scope="module", params=[(c, t) for c in COMPILERS for t in ("core", "full")])
def lines(request, tmp_path_factory):
    compiler, timing = request.param
    skip_without(compiler)
    image = build_firmware("latency", compiler, tmp_path_factory.mktemp("latency"))
    with Board(image, timing=timing) as board:
        board.wait_for_line("done", "usart1")
        return board.output("usart1").decode().splitlines()


@pytest.mark.parametrize("source", ["tim2 by count", "systick by count"])
def test_the_timer_itself_says_how_long_ago_it_came_round(lines, source):
    assert lines.count(f"{source} {LATENCY}") == PHASES


@pytest.mark.parametrize("source", ["ispr", "swier"])
def test_the_cycle_counter_says_the_same_of_what_a_store_makes_pending(lines, source):
    assert lines.count(f"{source} {LATENCY}") == PHASES


@pytest.mark.parametrize("source", ["tim2 by cycle", "systick by cycle"])
def test_the_cycle_counter_says_the_same_of_timers(lines, source):
    """It is read beside the timer's count: in the same cycle, or in the next one."""
    delays = [int(line.rpartition(" ")[2]) for line in lines if line.startswith(source)]
    assert len(delays) == PHASES
    assert all(abs(delay - LATENCY) <= 1 for delay in delays)
