"""Firmware that polls SPI and I2C with nobody on the bus: its loops end, in the buses' time."""

from __future__ import annotations

import pytest
from firmware_runs import run


@pytest.mark.parametrize("timing", ["count", "full"])
def test_a_flash_that_is_not_there_identifies_itself_as_ones(timing, tmp_path):
    """Command 0x9F and three bytes at an 8th of 16 MHz: 4 * 8 * 8 cycles on the line."""
    program = """
#define SPI1(offset) REGISTER(0x40013000U + (offset))
static uint8_t swap(uint8_t byte) {
    while ((SPI1(8) & 2U) == 0U) { }
    *(volatile uint8_t *)0x4001300CU = byte;
    while ((SPI1(8) & 1U) == 0U) { }
    return *(volatile uint8_t *)0x4001300CU;
}
int main(void) {
    count_cycles();
    RCC_APB2ENR |= 1U << 12;
    (void)RCC_APB2ENR;
    SPI1(4) = 0x1700U;
    SPI1(0) = 1U << 9 | 1U << 8 | 2U << 3 | 1U << 2;
    SPI1(0) |= 1U << 6;
    const uint32_t before = CYCCNT;
    (void)swap(0x9FU);
    uint32_t identity = swap(0U);
    identity = identity << 8 | swap(0U);
    identity = identity << 8 | swap(0U);
    while ((SPI1(8) & 0x1880U) != 0U) { } /* FTLVL, BSY */
    tell("cycles", CYCCNT - before);
    tell("identity", identity);
    return 0;
}
"""
    told = run(program, tmp_path, timing=timing)
    assert told["identity"] == 0xFF_FFFF
    assert 256 <= told["cycles"] < 256 + 250


@pytest.mark.parametrize("platform", ["stm32f746", "stm32f767"])
def test_a_scan_of_an_empty_bus_finds_nobody(platform, tmp_path):
    """HAL_I2C_IsDeviceReady for each address: 11 periods of SCL at 16 MHz / 616."""
    program = """
#define I2C1(offset) REGISTER(0x40005400U + (offset))
int main(void) {
    uint32_t found = 0U;
    count_cycles();
    RCC_APB1ENR |= 1U << 21;
    (void)RCC_APB1ENR;
    I2C1(0x10) = 0x30303D5BU;
    I2C1(0) = 1U;
    const uint32_t before = CYCCNT;
    for (uint32_t address = 8U; address < 120U; address++) {
        I2C1(4) = 1U << 25 | 1U << 13 | address << 1;
        while ((I2C1(0x18) & 0x30U) == 0U) { } /* NACKF, STOPF */
        found += (I2C1(0x18) & 0x10U) == 0U;
        while ((I2C1(0x18) & 0x20U) == 0U) { }
        I2C1(0x1C) = 0x30U;
        if ((I2C1(0x18) & 1U << 15) != 0U) { return 1; }
    }
    tell("cycles", CYCCNT - before);
    tell("found", found);
    return 0;
}
"""
    told = run(program, tmp_path, platform=platform)
    assert told["found"] == 0
    assert told["cycles"] == pytest.approx(112 * 11 * 616, rel=0.01)
