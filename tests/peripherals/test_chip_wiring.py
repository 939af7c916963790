"""A whole chip's peripherals as the platform file wires them, without a core."""

from __future__ import annotations

from itertools import pairwise

import pytest
from wired_chip import RCC, WiredChip

from usim.devices.peripherals import ResetCause, TraceRecord
from usim.devices.peripherals.chip_draft import CLOCK_ENABLES

EXTI, SYSCFG, PWR, IWDG = 0x4001_3C00, 0x4001_3800, 0x4000_7000, 0x4000_3000
GPIOA, GPIOC, USART1, TIM2, TIM10, RTC = (
    0x4002_0000, 0x4002_0800, 0x4001_1000, 0x4000_0000, 0x4001_4400, 0x4000_2800,
)  # fmt: skip
CSR = RCC + 0x74


@pytest.fixture
def chip() -> WiredChip:
    return WiredChip()


@pytest.mark.parametrize(("pin", "number"), [(0, 6), (4, 10), (5, 23), (9, 23), (10, 40), (15, 40)])
def test_a_pin_reaches_the_nvic_through_the_port_that_is_routed(chip, pin, number):
    chip[SYSCFG + 8 + pin // 4 * 4] = 2 << pin % 4 * 4
    chip[EXTI], chip[EXTI + 8] = 1 << pin, 1 << pin
    chip.parts.gpio["GPIOA"].set_input(pin, True)
    assert not chip.inputs[number].level
    chip.parts.gpio["GPIOC"].set_input(pin, True)
    assert chip.inputs[number].level
    chip[EXTI + 0x14] = 1 << pin
    assert not chip.inputs[number].level


USART_INPUTS = {
    0x4001_1000: 37, 0x4000_4400: 38, 0x4000_4800: 39, 0x4000_4C00: 52, 0x4000_5000: 53,
    0x4001_1400: 71, 0x4000_7800: 82, 0x4000_7C00: 83,
}  # fmt: skip
TIMER_INPUTS = {
    0x4001_0000: 25, 0x4000_0000: 28, 0x4000_0400: 29, 0x4000_0800: 30, 0x4000_0C00: 50,
    0x4000_1000: 54, 0x4000_1400: 55, 0x4001_0400: 44, 0x4001_4000: 24, 0x4001_4400: 25,
    0x4001_4800: 26, 0x4000_1800: 43, 0x4000_1C00: 44, 0x4000_2000: 45,
}  # fmt: skip


@pytest.mark.parametrize("platform", ["stm32f746", "stm32f767"])
def test_usarts_and_timers_have_the_inputs_of_the_vector_table(platform):
    """RM0385 and RM0410 10.1.2: USART1 to UART8, then the updates of TIM1 to TIM14."""
    chip = WiredChip(platform)
    for usart, number in USART_INPUTS.items():
        chip[usart] = 1 | 1 << 7  # UE, TXEIE
        assert chip.inputs[number].level
        chip[usart] = 0
        assert not chip.inputs[number].level
    for timer, number in TIMER_INPUTS.items():
        chip[timer + 0x0C] = chip[timer + 0x14] = 1  # UIE, UG
        assert chip.inputs[number].level
        chip[timer + 0x10] = 0
        assert not chip.inputs[number].level


def test_two_timers_share_an_input(chip):
    """TIM1's update and TIM10 (RM0385 10.1.2)."""
    for timer in (0x4001_0000, TIM10):
        chip[timer + 0x0C] = 1
        chip[timer + 0x14] = 1
    assert chip.inputs[25].level
    chip[TIM10 + 0x10] = 0
    assert chip.inputs[25].level
    chip[0x4001_0010] = 0
    assert not chip.inputs[25].level


def test_what_is_due_happens_before_the_access_that_asks(chip):
    chip[USART1 + 0xC] = 16
    chip[USART1] = 0xD
    chip[USART1 + 0x28] = 0x41
    chip.bench.cycle += 160
    assert chip[USART1 + 0x1C] & 1 << 6


def test_resetting_a_peripheral_resets_it_alone(chip):
    chip[TIM2 + 0x2C] = chip[TIM10 + 0x2C] = 5
    chip[RCC + 0x20] = 1
    assert (chip[TIM2 + 0x2C], chip[TIM10 + 0x2C]) == (0xFFFF_FFFF, 5)


@pytest.mark.parametrize(
    ("cause", "flags"),
    [
        (ResetCause.PIN, 1 << 26),
        (ResetCause.SOFTWARE, 1 << 28 | 1 << 26),
        (ResetCause.IWDG, 1 << 29 | 1 << 26),
        (ResetCause.WWDG, 1 << 30 | 1 << 26),
    ],
)
def test_the_program_can_tell_why_it_was_reset(chip, cause, flags):
    assert chip[CSR] & 0xFE00_0000 == 0x0E00_0000
    chip[CSR] = 1 << 24
    chip.parts.reset(cause)
    assert chip[CSR] & 0xFE00_0000 == flags


def test_the_watchdog_asks_for_a_reset(chip):
    asked = []
    chip.parts.reset_request.on_request = asked.append
    chip[IWDG] = 0xCCCC
    chip.bench.run_to(16_000_000 * 3)
    assert asked == [ResetCause.IWDG]


def test_the_backup_domain_is_reset_by_its_own_bit(chip):
    chip[RCC + 0x70] = 1
    assert chip[RCC + 0x70] == 0  # locked
    chip[PWR] = chip[PWR] | 1 << 8
    chip[RTC + 0x50] = 7
    chip.parts.reset(ResetCause.SOFTWARE)
    assert chip[RTC + 0x50] == 7
    chip[RCC + 0x40] = 1 << 28
    chip[PWR] = chip[PWR] | 1 << 8
    chip[RCC + 0x70] = 1 << 16
    assert chip[RTC + 0x50] == 0


def test_a_block_without_a_model_is_named_once_and_counted(chip, caplog):
    for _ in range(3):
        chip[0x4001_6810] = 1
        assert chip[0x4001_6810] == 0
    assert [record.message for record in caplog.records] == [
        "write to LTDC + 0x10: LTDC is not modelled, so that it reads as 0x0 and ignores writes"
    ]
    (ltdc,) = (block for block in chip.parts.unmodelled if block.name == "LTDC")
    assert ltdc.accesses == {0x10: 6}


@pytest.mark.parametrize(
    ("address", "who"),
    [
        (USART1 + 0xC, "USART1.BRR"),
        (0x4002_6410, "DMA2.S0CR"),
        (0x4001_6804, "LTDC + 0x4"),
        (GPIOC + 0x18, "GPIOC.BSRR"),
        (TIM2 + 0x24, "TIM2.CNT"),
        (0x4000_2C00, "WWDG.CR"),
        (0xA000_0150, "FMC.SDCMR"),
        (0x4000_8000, None),
        (0x2000_0000, None),
    ],
)
def test_every_block_can_be_named(chip, address, who):
    assert chip.parts.who_is_at(address) == who


def test_accesses_can_be_traced(chip):
    seen = []
    chip.bench.run(100)
    chip.parts.bus.trace = seen.append
    chip[USART1 + 0xC] = 139
    chip.parts.bus.read(GPIOA + 0x11, 1)
    assert seen == [
        TraceRecord(100, "USART1", "USART1.BRR", 0xC, True, 4, 139),
        TraceRecord(100, "GPIOA", "GPIOA.IDR", 0x11, False, 1, 0xA0),
    ]


@pytest.mark.parametrize("name", ["stm32f746", "stm32f767"])
def test_no_two_blocks_of_a_chip_overlap(name):
    windows = sorted(WiredChip(name).parts.bus.windows, key=lambda window: window.base)
    for first, second in pairwise(windows):
        assert first.base + first.size_bytes <= second.base, (first.name, second.name)


def test_each_clock_enable_belongs_to_a_block_that_the_chips_have():
    bases = {
        window.base
        for name in ("stm32f746", "stm32f767")
        for window in WiredChip(name).parts.bus.windows
    }
    assert set(CLOCK_ENABLES) <= bases
