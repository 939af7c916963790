"""Clock tree and supply by the manual's sequences (RM0385, chapters 4 and 5)."""

from __future__ import annotations

import pytest
from debug_view import FLASH, PWR, RCC

CR, PLLCFGR, CFGR, APB1ENR, CSR = RCC, RCC + 4, RCC + 8, RCC + 0x40, RCC + 0x74
CR1, CSR1 = PWR, PWR + 4
HSION, HSIRDY, HSEON, HSERDY, PLLON, PLLRDY = 1, 2, 1 << 16, 1 << 17, 1 << 24, 1 << 25
PWREN = 1 << 28
OVER_DRIVE = 3 << 16
VOSRDY = 1 << 14
boards = pytest.mark.parametrize(
    ("chip", "external_hz"),
    [("nucleo_f746zg", 8_000_000), ("stm32f746g_disco", 25_000_000)],
    indirect=["chip"],
)


def test_after_reset_the_core_runs_from_the_hsi(chip):
    assert chip[CR] & (HSION | HSIRDY | PLLRDY | HSERDY) == HSION | HSIRDY
    assert chip.device.clocks.core_hz == 16_000_000
    assert chip.device.clocks.bus_hz == (16_000_000, 16_000_000)


def test_the_pll_takes_the_core_to_216_mhz(chip):
    chip[PLLCFGR] = 9 << 24 | 216 << 6 | 8
    chip[CR] |= PLLON
    assert chip[CR] & PLLRDY
    chip[CFGR] = 5 << 10 | 4 << 13
    chip[CFGR] |= 2
    assert chip[CFGR] & 0xF == 0b1010
    assert chip.device.clocks.core_hz == 216_000_000
    assert chip.device.clocks.bus_hz == (54_000_000, 108_000_000)
    chip.device.reset()
    assert chip.device.clocks.core_hz == 16_000_000


@pytest.mark.parametrize(("field", "divider"), [(0, 1), (7, 1), (8, 2), (0xB, 16), (0xC, 64)])
def test_the_bus_divides_the_system_clock(chip, field, divider):
    chip[CFGR] = field << 4
    assert chip.device.clocks.core_hz == 16_000_000 // divider


def test_what_feeds_the_core_cannot_be_switched_off_or_changed(chip):
    chip[CR] = 0
    assert chip[CR] & HSIRDY
    chip[PLLCFGR] = 216 << 6 | 8
    chip[CR] |= PLLON
    chip[CFGR] = 2
    chip[CR] = 0
    assert chip[CR] & PLLRDY
    chip[PLLCFGR] = 100 << 6 | 8
    assert chip.device.clocks.core_hz == 216_000_000


def test_a_switch_waits_for_its_clock(chip):
    chip[CFGR] = 2
    assert chip[CFGR] & 0xF == 0b0010  # SW says PLL, SWS still HSI
    chip[PLLCFGR] = 100 << 6 | 8
    chip[CR] |= PLLON
    assert chip[CFGR] & 0xF == 0b1010
    assert chip.device.clocks.core_hz == 100_000_000


def test_without_a_crystal_the_hse_never_gets_ready(chip):
    chip[CR] |= HSEON
    assert not chip[CR] & HSERDY
    chip[PLLCFGR] = 1 << 22 | 216 << 6 | 8
    chip[CR] |= PLLON
    assert not chip[CR] & PLLRDY
    chip[CFGR] = 1
    assert chip.device.clocks.core_hz == 16_000_000


@boards
def test_a_board_feeds_the_hse(chip, external_hz):
    chip[CR] |= HSEON
    assert chip[CR] & HSERDY
    chip[CFGR] = 1
    assert chip.device.clocks.core_hz == external_hz
    chip[PLLCFGR] = 1 << 22 | 432 << 6 | external_hz // 1_000_000
    chip[CR] |= PLLON
    chip[CFGR] = 2
    assert chip.device.clocks.core_hz == 216_000_000


def test_supply_has_no_registers_without_its_clock(chip):
    assert chip[CR1] == 0
    chip[CR1] = 1 << 16
    chip[APB1ENR] |= PWREN
    assert chip[CR1] == 0xC000  # scale 1, no over-drive


def test_over_drive_is_entered_step_by_step(chip):
    chip[APB1ENR] |= PWREN
    assert chip[CSR1] & OVER_DRIVE == 0
    chip[CR1] |= 1 << 17  # the switch alone does nothing
    assert chip[CSR1] & OVER_DRIVE == 0
    chip[CR1] = 0xC000 | 1 << 16
    assert chip[CSR1] & OVER_DRIVE == 1 << 16
    chip[CR1] |= 1 << 17
    assert chip[CSR1] & OVER_DRIVE == OVER_DRIVE


def test_the_voltage_scale_counts_and_stays_while_the_pll_is_on(chip):
    chip[APB1ENR] |= PWREN
    chip[CR1] = 0x4000
    assert not chip[CSR1] & VOSRDY
    chip[CR] |= PLLON
    assert chip[CSR1] & VOSRDY
    chip[CR1] = 0xC000
    assert chip[CR1] == 0x4000


def test_reset_flags_are_cleared_on_request(chip):
    assert chip[CSR] & 0xFE00_0000
    chip[CSR] = 1 << 24 | 1
    assert chip[CSR] == 0b11  # LSI on and ready


def test_wait_states_and_accelerator_read_back(chip):
    chip[FLASH] = 0x307
    assert chip[FLASH] == 0x307
