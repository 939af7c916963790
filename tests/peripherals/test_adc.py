"""Regular conversions of the ADCs (RM0385 chapter 15), without a core; APB2 has its clock."""

from __future__ import annotations

import pytest
from dma_bench import CIRC, DMA2, MINC, DmaChip
from wired_chip import RAM, RCC

ADC1, ADC2, ADC3, COMMON = 0x4001_2000, 0x4001_2100, 0x4001_2200, 0x4001_2300
SR, CR1, CR2, SMPR1, SMPR2, SQR1, SQR3, DR = 0, 4, 8, 0xC, 0x10, 0x2C, 0x34, 0x4C
EOC, STRT, OVR = 1 << 1, 1 << 4, 1 << 5
EOCIE, SCAN = 1 << 5, 1 << 8
ADON, CONT, DMA, DDS, EOCS, ALIGN, SWSTART = 1, 2, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 30
INPUT = 18
HALF_WORDS = 1 << 11 | 1 << 13


@pytest.fixture
def chip() -> DmaChip:
    made = DmaChip()
    for channel in range(8):
        made.parts.adcs["adc1"].set_input(channel, 100 * channel + 5)
    return made


@pytest.mark.parametrize(
    ("sampling", "cycles"), list(enumerate([15, 27, 40, 68, 96, 124, 156, 492]))
)
@pytest.mark.parametrize(("adcpre", "divider"), [(0, 2), (3, 8)])
def test_a_conversion_takes_its_periods_of_the_adcs_clock(chip, sampling, cycles, adcpre, divider):
    chip[COMMON + 4] = adcpre << 16
    chip[ADC1 + SMPR2] = sampling << 9
    chip[ADC1 + SQR3] = 3
    chip[ADC1 + CR1] = EOCIE
    chip[ADC1 + CR2] = ADON
    began = chip.bench.cycle
    chip[ADC1 + CR2] = ADON | SWSTART
    assert (chip[ADC1 + SR], chip[ADC1 + CR2]) == (STRT, ADON)
    chip.bench.run(4000)
    assert chip.inputs[INPUT].rises == [began + cycles * divider]
    assert chip[ADC1 + SR] == EOC | STRT
    assert chip[ADC1 + DR] == 305
    assert (chip[ADC1 + SR], chip.inputs[INPUT].level) == (STRT, False)


@pytest.mark.parametrize(
    ("resolution", "alignment", "value", "cycles"),
    [(0, 0, 0xABC, 15), (1, 0, 0x2AF, 13), (2, 0, 0xAB, 11), (3, 0, 0x2A, 9),
     (0, ALIGN, 0xABC0, 15), (1, ALIGN, 0xABC0, 13), (2, ALIGN, 0xAB00, 11), (3, ALIGN, 0xA8, 9)],
)  # fmt: skip
def test_fewer_bits_take_less_time(chip, resolution, alignment, value, cycles):
    chip.parts.adcs["adc1"].set_input(0, 0xABC)
    chip[ADC1 + CR1] = resolution << 24
    chip[ADC1 + CR2] = ADON | alignment
    chip[ADC1 + CR2] = ADON | alignment | SWSTART
    chip.bench.run(2 * cycles - 1)
    assert chip[ADC1 + SR] & EOC == 0
    chip.bench.run(1)
    assert chip[ADC1 + SR] & EOC
    assert chip[ADC1 + DR] == value


def test_a_converter_that_is_off_does_not_start(chip):
    chip[ADC1 + CR2] = SWSTART
    chip.bench.run(2000)
    assert chip[ADC1 + SR] == 0


@pytest.mark.parametrize("each", [0, EOCS])
def test_a_sequence_converts_its_ranks_and_flags_the_end_or_each(chip, each):
    chip[ADC1 + SQR1] = 7 - 1 << 20
    chip[ADC1 + SQR3] = sum(rank << 5 * rank for rank in range(6))
    chip[ADC1 + SQR3 - 4] = 7
    chip[ADC1 + CR1] = SCAN
    chip[ADC1 + CR2] = ADON | each
    chip[ADC1 + CR2] = ADON | each | SWSTART
    seen = []
    for _ in range(7):
        chip.bench.run(30)
        if chip[ADC1 + SR] & EOC:
            seen.append(chip[ADC1 + DR])
    assert seen == ([5, 105, 205, 305, 405, 505, 705] if each else [705])
    chip.bench.run(1000)
    assert chip[ADC1 + SR] & (EOC | OVR) == 0


def test_continuous_conversions_overrun_who_does_not_read(chip):
    chip[ADC1 + CR2] = ADON | CONT | EOCS
    chip[ADC1 + CR2] = ADON | CONT | EOCS | SWSTART
    chip.bench.run(30)
    assert chip[ADC1 + DR] == 5
    chip.parts.adcs["adc1"].set_input(0, 6)
    chip.bench.run(60)
    assert chip[ADC1 + SR] & OVR
    chip[ADC1 + SR] = 0
    chip[ADC1 + CR2] = 0
    chip.bench.run(1000)
    assert chip[ADC1 + SR] == 0


def test_the_dma_takes_results_as_they_come(chip):
    chip[ADC1 + SQR1] = 3 - 1 << 20
    chip[ADC1 + SQR3] = 1 | 2 << 5 | 4 << 10
    chip[ADC1 + CR1] = SCAN
    chip.start(DMA2, 0, 6, ADC1 + DR, RAM, MINC | CIRC | HALF_WORDS)
    how = ADON | CONT | DMA | DDS
    chip[ADC1 + CR2] = how
    chip[ADC1 + CR2] = how | SWSTART
    chip.bench.run(7 * 30)
    assert [int.from_bytes(chip.ram.data[at : at + 2], "little") for at in range(0, 12, 2)] == [
        105, 205, 405, 105, 205, 405,
    ]  # fmt: skip
    assert chip.left(0) == 5
    assert chip[ADC1 + SR] & OVR == 0


def test_the_chips_own_channels_have_their_typical_values_once_they_are_on(chip):
    values = []
    for on in (0, 1 << 23):
        chip[COMMON + 4] = on
        for channel in (17, 18):
            chip[ADC1 + SQR3] = channel
            chip[ADC1 + CR2] = ADON
            chip[ADC1 + CR2] = ADON | SWSTART
            chip.bench.run(2000)
            values.append(chip[ADC1 + DR] * 3.3 / 4095)
    assert values == [0, 0, pytest.approx(1.21, abs=1e-3), pytest.approx(0.76, abs=1e-3)]


def test_three_converters_share_a_status_an_input_and_a_reset(chip):
    for place, adc in enumerate((ADC1, ADC2, ADC3)):
        chip[adc + CR1], chip[adc + CR2] = EOCIE, ADON
        chip[adc + CR2] = ADON | SWSTART
        chip.bench.run(100)
        assert chip[COMMON] >> 8 * place & 0xFF == EOC | STRT
        assert chip.inputs[INPUT].level
    for adc in (ADC1, ADC2):
        chip[adc + DR]
        assert chip.inputs[INPUT].level
    chip[RCC + 0x24] = 1 << 8
    assert (chip[COMMON], chip.inputs[INPUT].level) == (0, False)
