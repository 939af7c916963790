"""Programs on the embedded chip that look at its clocks: peripherals keep the core's time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import usim
from usim.devices import Timing

HERE = Path(__file__).parent


@pytest.fixture(scope="module", params=["count", "core", "full"])
def session(request: pytest.FixtureRequest) -> Iterator[usim.Session]:
    timing: Timing = request.param
    with usim.Session("stm32f746", timing=timing, timeout_s=20) as opened:
        yield opened


def measure(session: usim.Session, body: str, count: int) -> list[int]:
    """What a program writes to `results`."""
    module = session.load_module(
        '#include "chip.h"\n'
        "#define CYCCNT REGISTER(0xE0001004U)\n"
        f"void measure(uint32_t *results) {{\n{body}\n}}",
        include=[HERE],
    )
    results = session.tensor(np.zeros(count, np.uint32))
    module.measure(results)
    return results.numpy().tolist()


def test_a_timer_counts_the_cores_cycles(session):
    """TIM2 at HCLK beside DWT: the counts between any two readings of both are the same."""
    values = measure(
        session,
        "    REGISTER(0x40023840U) |= 1U;\n"
        "    REGISTER(0x40000000U) = 1U;\n"
        "    for (uint32_t i = 0; i < 8U; i++) {\n"
        "        const uint32_t cycles = CYCCNT, ticks = REGISTER(0x40000024U);\n"
        "        results[2U * i] = ticks;\n"
        "        results[2U * i + 1U] = cycles;\n"
        '        for (uint32_t j = 0; j < 1000U * i; j++) __asm volatile("");\n'
        "    }",
        16,
    )
    ticks, cycles = np.array(values[0::2]), np.array(values[1::2])
    apart = (ticks - ticks[2]) - (cycles - cycles[2])
    assert np.diff(ticks).min() > 0
    # Reading one after the other takes a while, which the first rounds (caches) make longer.
    assert abs(apart[2:]).max() == 0


def test_a_frame_takes_its_time_on_the_program_that_waits_for_it(session):
    (cycles,) = measure(
        session,
        "    open_usart();\n"
        "    const uint32_t before = CYCCNT;\n"
        "    USART1_TDR = 'x';\n"
        "    while ((USART1_ISR & (1U << 6)) == 0U) {}\n"
        "    results[0] = CYCCNT - before;",
        1,
    )
    assert 1390 <= cycles < 1390 + 40


def test_random_numbers_wait_for_the_pll(session):
    """216 MHz from the HSI, Q = 9: the RNG runs at 48 MHz, a number takes 180 core cycles."""
    values = measure(
        session,
        "    REGISTER(0x40023804U) = 9U << 24 | 216U << 6 | 8U;\n"
        "    RCC_CR |= 1U << 24;\n"
        "    REGISTER(0x40023808U) = 2U;\n"
        "    REGISTER(0x40023834U) |= 1U << 6;\n"
        "    const uint32_t before = CYCCNT;\n"
        "    REGISTER(0x50060800U) = 4U;\n"
        "    while ((REGISTER(0x50060804U) & 1U) == 0U) {}\n"
        "    results[0] = CYCCNT - before;\n"
        "    results[1] = REGISTER(0x50060808U);\n"
        "    REGISTER(0x40023808U) = 0U;",
        2,
    )
    assert 180 <= values[0] < 180 + 40
    assert values[1] != 0
