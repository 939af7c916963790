"""Firmware that has a pin converted as ST's driver does; the pin is set from Python."""

from __future__ import annotations

import pytest
from firmware_runs import image_of, told

from usim.board import Board

PROGRAM = """
#define ADC(offset) REGISTER(0x40012000U + (offset))
enum { SR = 0, CR1 = 4, CR2 = 8, SMPR2 = 16, SQR1 = 44, SQR3 = 52, DR = 76, CCR = 0x304 };
int main(void) {
    count_cycles();
    RCC_APB2ENR |= 1U << 8;
    (void)RCC_APB2ENR;
    ADC(CCR) = 1U << 16;           /* a quarter of APB2's clock */
    ADC(SMPR2) = 7U << 9;          /* channel 3: 480 periods */
    ADC(SQR1) = 0U;
    ADC(SQR3) = 3U;
    ADC(CR2) = 1U << 10 | 1U;      /* EOCS, ADON */
    ADC(SR) = 0U;
    const uint32_t before = CYCCNT;
    ADC(CR2) |= 1U << 30;
    while ((ADC(SR) & 2U) == 0U) { }
    tell("cycles", CYCCNT - before);
    tell("value", ADC(DR));
    return 0;
}
"""


@pytest.mark.parametrize(("timing", "platform"), [("count", "stm32f746"), ("full", "stm32f767")])
def test_a_program_waits_for_the_value_of_a_pin(timing, platform, tmp_path):
    with Board(image_of(PROGRAM, tmp_path), platform, timing=timing) as board:
        board.chip.device.chip.adcs["adc1"].set_input(3, 0x9AB)
        ending = board.run(until_s=1)
        assert ending is not None
        assert (ending.reason, ending.code) == ("exit", 0)
        values = told(board)
    assert values["value"] == 0x9AB
    assert 4 * 492 <= values["cycles"] < 4 * 492 + 60
