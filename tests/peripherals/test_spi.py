"""SPI as a master (RM0385 chapter 32), without a core; APB2 has its clock."""

from __future__ import annotations

import pytest
from dma_bench import CIRC, DMA2, FROM_MEMORY, MINC, DmaChip
from wired_chip import RAM, RCC, WiredChip

SPI1 = 0x4001_3000
BASES = {
    SPI1: 35, 0x4000_3800: 36, 0x4000_3C00: 51, 0x4001_3400: 84, 0x4001_5000: 85, 0x4001_5400: 86,
}  # fmt: skip
CR1, CR2, SR, DR = 0, 4, 8, 0xC
MSTR, SPE, SSI, SSM, RXONLY = 1 << 2, 1 << 6, 1 << 8, 1 << 9, 1 << 10
BIDIMODE, BIDIOE = 1 << 15, 1 << 14
MASTER = MSTR | SPE | SSI | SSM
RXNE, TXE, OVR, BSY = 1, 2, 1 << 6, 1 << 7
RXNEIE, TXEIE, FRXTH = 1 << 6, 1 << 7, 1 << 12
BYTES = 7 << 8 | FRXTH
# Eight bits at half of APB2's clock.
FRAME = 16


@pytest.fixture
def chip() -> DmaChip:
    return DmaChip()


def put(chip: WiredChip, value: int, size_bytes: int = 1) -> None:
    chip.parts.bus.write(SPI1 + DR, size_bytes, value)


def get(chip: WiredChip, size_bytes: int = 1) -> int:
    return chip.parts.bus.read(SPI1 + DR, size_bytes)


def levels(chip: WiredChip) -> tuple[int, int]:
    """FTLVL, FRLVL."""
    status = chip[SPI1 + SR]
    return status >> 11 & 3, status >> 9 & 3


@pytest.mark.parametrize("base", BASES)
def test_each_has_its_reset_values_and_its_input(chip, base):
    values = [chip[base + offset] for offset in range(0, 0x24, 4)]
    assert values == [0, 0x0700, TXE, 0, 7, 0, 0, 0, 2]
    chip[base + CR2] = 0x0700 | TXEIE
    assert [number for number, line in chip.inputs.items() if line.level] == [BASES[base]]


@pytest.mark.parametrize(("divider_bits", "bit"), [(0, 2), (3, 16), (7, 256)])
def test_frames_take_their_bits_and_come_back_high_from_an_empty_bus(chip, divider_bits, bit):
    chip[SPI1 + CR2] = BYTES | RXNEIE
    chip[SPI1 + CR1] = MASTER | divider_bits << 3
    began = chip.bench.cycle
    put(chip, 0x12)
    put(chip, 0x34)
    assert chip[SPI1 + SR] & (BSY | RXNE) == BSY
    chip.bench.run_to(began + 8 * bit)
    assert chip.inputs[35].rises == [began + 8 * bit]
    assert get(chip) == 0xFF
    assert chip[SPI1 + SR] & (BSY | RXNE) == BSY
    chip.bench.run_to(began + 16 * bit)
    assert chip[SPI1 + SR] & (BSY | RXNE | TXE) == RXNE | TXE
    assert get(chip) == 0xFF
    assert levels(chip) == (0, 0)


def test_the_host_can_answer(chip):
    sent = []

    def answer(frame: int) -> int:
        sent.append(frame)
        return frame ^ 0xFF

    chip.parts.spis["spi1"].answer = answer
    chip[SPI1 + CR2] = BYTES
    chip[SPI1 + CR1] = MASTER
    put(chip, 0xA5)
    chip.bench.run(FRAME)
    assert (sent, get(chip)) == ([0xA5], 0x5A)


def test_the_fifos_hold_four_bytes_and_tell_how_full_they_are(chip):
    chip[SPI1 + CR2] = BYTES
    chip[SPI1 + CR1] = MASTER
    seen = []
    for value in range(5):
        put(chip, value)
        seen.append((levels(chip)[0], bool(chip[SPI1 + SR] & TXE)))
    # One is in the shift register.
    assert seen == [(0, True), (1, True), (2, True), (3, False), (3, False)]
    chip.bench.run(4 * FRAME)
    assert levels(chip) == (0, 3)
    assert chip[SPI1 + SR] & OVR == 0
    chip.bench.run(FRAME)
    assert chip[SPI1 + SR] & OVR
    get(chip)
    chip[SPI1 + SR]
    assert chip[SPI1 + SR] & OVR == 0


def test_a_half_word_is_two_bytes_or_one_longer_frame(chip):
    sent = []
    chip.parts.spis["spi1"].answer = lambda frame: sent.append(frame) or frame
    chip[SPI1 + CR2] = 7 << 8  # RXNE at two bytes
    chip[SPI1 + CR1] = MASTER
    put(chip, 0x1234, 2)
    chip.bench.run(FRAME)
    assert chip[SPI1 + SR] & RXNE == 0
    chip.bench.run(FRAME)
    assert (sent, get(chip, 2)) == ([0x34, 0x12], 0x1234)
    chip[SPI1 + CR1] = MASTER & ~SPE
    chip[SPI1 + CR2] = 11 << 8
    chip[SPI1 + CR1] = MASTER
    put(chip, 0xF234, 2)
    chip.bench.run(24)
    assert (sent[2:], get(chip, 2)) == ([0x234], 0x234)


def test_who_only_receives_clocks_on_and_who_only_sends_receives_nothing(chip):
    chip[SPI1 + CR2] = BYTES
    chip[SPI1 + CR1] = MASTER | RXONLY
    for _ in range(3):
        chip.bench.run(FRAME)
        assert get(chip) == 0xFF
    chip[SPI1 + CR1] = 0
    chip.bench.run(10 * FRAME)
    assert levels(chip) == (0, 0)
    chip[SPI1 + CR1] = MASTER | BIDIMODE | BIDIOE
    put(chip, 1)
    chip.bench.run(10 * FRAME)
    assert chip[SPI1 + SR] == TXE


def test_a_slave_waits_for_a_clock(chip):
    chip[SPI1 + CR2] = BYTES
    chip[SPI1 + CR1] = SPE
    put(chip, 1)
    chip.bench.run(10_000)
    assert chip[SPI1 + SR] & (RXNE | BSY) == 0


def test_both_directions_go_by_dma(chip):
    chip.parts.spis["spi1"].answer = lambda frame: frame + 1
    chip.ram.data[:6] = bytes(range(10, 16))
    chip[SPI1 + CR2] = BYTES | 1
    chip.start(DMA2, 2, 6, SPI1 + DR, RAM + 16, 3 << 25 | MINC)
    chip.start(DMA2, 3, 6, SPI1 + DR, RAM, 3 << 25 | MINC | FROM_MEMORY)
    chip[SPI1 + CR2] = BYTES | 3
    chip[SPI1 + CR1] = MASTER
    chip.bench.run(6 * FRAME)
    assert chip.ram.data[16:23] == bytes(range(11, 17)) + b"\0"
    assert chip[SPI1 + SR] & (OVR | BSY) == 0
    chip.start(DMA2, 3, 6, SPI1 + DR, RAM, 3 << 25 | MINC | CIRC | FROM_MEMORY)
    chip[RCC + 0x24] = 1 << 12
    assert chip[SPI1 + CR2] == 0x0700
