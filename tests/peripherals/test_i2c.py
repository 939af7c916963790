"""I2C alone on its bus (RM0385 chapter 30), without a core; APB1 has its clock."""

from __future__ import annotations

import pytest
from wired_chip import RCC, WiredChip

I2C1 = 0x4000_5400
BASES = {I2C1: (31, 16), 0x4000_5800: (33, 18), 0x4000_5C00: (72, 20), 0x4000_6000: (95, 22)}
CR1, CR2, TIMINGR, ISR, ICR, TXDR = 0, 4, 0x10, 0x18, 0x1C, 0x28
PE, NACKIE, STOPIE = 1, 1 << 4, 1 << 5
START, AUTOEND = 1 << 13, 1 << 25
TXE, NACKF, STOPF, BUSY = 1, 1 << 4, 1 << 5, 1 << 15
# PRESC 3, SCLH 0x3D, SCLL 0x5B: 616 periods of the kernel clock.
TIMING = 0x3030_3D5B
PERIOD = 4 * (0x3E + 0x5C)


@pytest.fixture
def chip() -> WiredChip:
    return WiredChip()


@pytest.mark.parametrize("base", BASES)
def test_an_address_is_not_acknowledged_after_its_time(chip, base):
    chip[base + TIMINGR] = TIMING
    chip[base + CR1] = PE | NACKIE
    assert chip[base + ISR] == TXE
    began = chip.bench.cycle
    chip[base + CR2] = START | AUTOEND | 2 << 16 | 0xA0
    assert chip[base + ISR] == BUSY | TXE
    chip.bench.run_to(began + 10 * PERIOD - 1)
    assert chip[base + CR2] & START
    chip.bench.run(1)
    assert (chip[base + ISR], chip[base + CR2] & START) == (NACKF | BUSY | TXE, 0)
    assert chip.inputs[BASES[base][0]].level
    chip.bench.run(PERIOD)
    assert chip[base + ISR] == NACKF | STOPF | TXE
    chip[base + ICR] = NACKF
    assert (chip[base + ISR], chip.inputs[BASES[base][0]].level) == (STOPF | TXE, False)
    chip[base + CR1] = PE | STOPIE
    assert chip.inputs[BASES[base][0]].level
    chip[base + ICR] = STOPF
    assert not chip.inputs[BASES[base][0]].level


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(("selection", "factor"), [(0, 4), (1, 1), (2, 1)])
def test_its_clock_is_what_rcc_selects(chip, base, selection, factor):
    """APB1 at a quarter of the core's clock; SYSCLK and HSI are the core's here."""
    chip[RCC + 0x08] = 5 << 10
    chip[RCC + 0x90] = selection << BASES[base][1]
    chip[base + TIMINGR] = TIMING
    chip[base + CR1] = PE
    began = chip.bench.cycle
    chip[base + CR2] = START
    chip.bench.cycles_until(lambda: bool(chip[base + ISR] & NACKF))
    assert chip.bench.cycle - began == 10 * PERIOD * factor


def test_switching_it_off_lets_go_of_the_bus(chip):
    chip[I2C1 + TIMINGR] = TIMING
    chip[I2C1 + CR1] = PE
    chip[I2C1 + TXDR] = 5
    assert chip[I2C1 + ISR] == 0
    chip[I2C1 + ISR] = TXE
    assert chip[I2C1 + ISR] == TXE
    chip[I2C1 + CR2] = START
    chip[I2C1 + CR1] = 0
    chip.bench.run(20 * PERIOD)
    assert (chip[I2C1 + ISR], chip[I2C1 + CR2]) == (TXE, 0)
    chip[I2C1 + CR2] = START
    chip.bench.run(20 * PERIOD)
    assert chip[I2C1 + ISR] == TXE
