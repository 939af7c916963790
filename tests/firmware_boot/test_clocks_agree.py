"""At 216 MHz timers, SysTick and USARTs agree with the cycle counter, as RM0385 5.2 derives them.

APB1 is a quarter of the core's clock, APB2 half of it.
"""

from __future__ import annotations

import pytest
from boot_programs import COMPILERS, run_and_read

FRAMES, BITS = 8, 10
# A round of the loop that polls a flag.
POLLING = 24


@pytest.fixture(scope="module", params=COMPILERS)
def told(request, tmp_path_factory):
    return run_and_read("clocks_agree", request.param, tmp_path_factory.mktemp("clocks"))


@pytest.mark.parametrize(
    ("name", "cycles_a_tick"),
    [
        # Twice APB1's 54 MHz, or with TIMPRE four times, and never more than HCLK.
        ("tim2 /1", 2),
        ("tim2 /10", 20),
        ("timpre tim2 /1", 1),
        ("timpre tim2 /10", 10),
        # The reference clock of SysTick is HCLK / 8.
        ("systick core", 1),
        ("systick reference", 8),
    ],
)
def test_a_counter_and_the_cycle_counter_agree_to_the_tick(told, name, cycles_a_tick):
    cycles, ticks = told[f"{name} cycles"], told[f"{name} ticks"]
    assert cycles > 50_000
    assert abs(cycles - ticks * cycles_a_tick) <= cycles_a_tick


@pytest.mark.parametrize(
    ("name", "core_cycles_a_bit"),
    [
        # BRR / fck, and with OVER8 half of the divider (31.5.4), of APB2 or APB1.
        ("usart1", 938 * 2),
        ("usart1 over8", 1874 / 2 * 2),
        ("usart2", 469 * 4),
        ("usart2 over8", 936 / 2 * 4),
    ],
)
def test_a_bit_takes_its_time(told, name, core_cycles_a_bit):
    assert abs(told[name] - FRAMES * BITS * core_cycles_a_bit) <= POLLING
