"""Loops on slow counts are counted instead of run: nobody can tell from the results."""

from __future__ import annotations

import pytest
from firmware_runs import image_of, told

from usim.board import Board

PROGRAM = """
static volatile uint32_t *count;
int main(void) {
    count_cycles();
    REGISTER(0xE000E014U) = 15999999U; /* SysTick, which comes in a second */
    REGISTER(0xE000E010U) = 5U;
    RCC_APB1ENR |= 1U << 28 | 1U << 9;
    PWR_CR1 |= 1U << 8;
    RCC_CSR |= 1U;
    RCC_BDCR |= 1U << 15 | 2U << 8; /* the RTC on the LSI, as LPTIM1 */
    RCC_DCKCFGR2 |= 1U << 24;
    REGISTER(0x40002410U) = 1U;
    REGISTER(0x40002418U) = 0xFFFFU;
    while ((REGISTER(0x40002400U) & 16U) == 0U) { }
    REGISTER(0x40002410U) = 5U;
    count = &REGISTER(COUNT);
    uint32_t last = *count, digest = 0U;
    for (uint32_t changes = 0U; changes < 20U; ) {
        const uint32_t now = *count;
        if (now != last) {
            digest = digest * 31U + CYCCNT + now;
            last = now;
            changes++;
        }
    }
    tell("digest", digest);
    tell("cycles", CYCCNT);
    return 0;
}
"""


@pytest.mark.parametrize("timing", ["count", "full"])
@pytest.mark.parametrize("count", ["0x4000241CU", "0x40002828U"], ids=["LPTIM1.CNT", "RTC.SSR"])
def test_each_value_comes_at_the_same_cycle_run_or_counted(count, timing, tmp_path):
    image = image_of(f"#define COUNT {count}\n{PROGRAM}", tmp_path)
    seen, skipped = [], []
    for skips in (True, False):
        with Board(image, timing=timing) as board:
            board.chip.device.skip_polling(enabled=skips)
            board.run(until_s=1)
            seen.append((told(board), board.cycles, board.instructions))
            skipped.append(board.chip.device.skipped_instructions)
    assert seen[0] == seen[1]
    assert seen[0][0]["cycles"] > 20 * 500
    # A change of SSR is worth it, 62,500 cycles after the one before.
    assert skipped[1] == 0
    if "2828" in count:
        assert skipped[0] > seen[0][2] // 2
