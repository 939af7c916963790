"""Backup SRAM (RM0385 4.1.2) and its regulator (4.4.2)."""

from __future__ import annotations

BKPSRAM, RCC, PWR = 0x4002_4000, 0x4002_3800, 0x4000_7000
AHB1ENR, APB1ENR = RCC + 0x30, RCC + 0x40
CR1, CSR1 = PWR, PWR + 4
DBP, BRE, BRR = 1 << 8, 1 << 9, 1 << 3


def open_backup_domain(chip):
    chip[AHB1ENR] = 1 << 18
    chip[APB1ENR] = 1 << 28
    chip[CR1] = DBP


def test_it_holds_what_is_written_through_a_system_reset(chip):
    open_backup_domain(chip)
    for address in (BKPSRAM, BKPSRAM + 0xFFC):
        chip[address] = 0x1234_5678
    chip.device.reset()
    chip[AHB1ENR] = 1 << 18
    assert chip[BKPSRAM] == chip[BKPSRAM + 0xFFC] == 0x1234_5678


def test_it_takes_no_writes_while_the_backup_domain_is_protected(chip):
    open_backup_domain(chip)
    chip[CR1] = 0
    chip[BKPSRAM] = 1
    assert chip[BKPSRAM] == 0


def test_it_is_not_there_without_its_clock(chip):
    open_backup_domain(chip)
    chip[BKPSRAM] = 1
    chip[AHB1ENR] = 0
    assert chip[BKPSRAM] == 0


def test_the_regulator_is_ready_once_it_is_on(chip):
    open_backup_domain(chip)
    assert not chip[CSR1] & BRR
    chip[CSR1] = BRE
    assert chip[CSR1] & (BRE | BRR) == BRE | BRR
