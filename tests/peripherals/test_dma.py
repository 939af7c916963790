"""The DMA's streams (RM0385 chapter 8) with USART1 and memory, without a core."""

from __future__ import annotations

import pytest
from dma_bench import (
    CHANNEL_4,
    CIRC,
    CT,
    DBM,
    DMA1,
    DMA2,
    EN,
    FRAME,
    FROM_MEMORY,
    HIFCR,
    HTIE,
    HTIF,
    LIFCR,
    M0AR,
    M1AR,
    MEMORY_TO_MEMORY,
    MINC,
    NDTR,
    PINC,
    SHIFTS,
    TCIE,
    TCIF,
    TEIE,
    TEIF,
    USART1,
    DmaChip,
)
from wired_chip import RAM, RCC

INPUTS = {DMA1: (11, 12, 13, 14, 15, 16, 17, 47), DMA2: (56, 57, 58, 59, 60, 68, 69, 70)}


@pytest.fixture
def chip() -> DmaChip:
    return DmaChip()


def test_the_registers_have_their_reset_values(chip):
    for dma in (DMA1, DMA2):
        values = [chip[dma + offset] for offset in range(0, 0xD0, 4)]
        assert values[:4] == [0] * 4
        assert values[4:] == [0, 0, 0, 0, 0, 0x21] * 8


@pytest.mark.parametrize("dma", [DMA1, DMA2])
def test_each_stream_has_its_flags_and_its_input(chip, dma):
    """RM0385 10.1.2; a stream that a program switches off has completed."""
    for stream, number in enumerate(INPUTS[dma]):
        chip.start(dma, stream, 4, RAM, RAM, CHANNEL_4 | TCIE)
        chip[dma + 0x10 + 0x18 * stream] = CHANNEL_4 | TCIE
        assert chip.flags(stream, dma) == TCIF
        assert [at for at, line in chip.inputs.items() if line.level] == [number]
        chip[dma + (HIFCR if stream > 3 else LIFCR)] = TCIF << SHIFTS[stream % 4]
        assert not chip.inputs[number].level


def test_a_usart_is_sent_what_lies_in_memory_in_its_own_time(chip):
    chip.ram.data[:8] = b"at work!"
    began = chip.bench.cycle
    chip.transmit(8, HTIE | TCIE)
    # One in the shift register, one in TDR.
    assert chip.left(7) == 6
    chip.bench.run_to(began + 3 * FRAME)
    assert (chip.left(7), chip.usart.sent) == (3, b"at wo")
    chip.bench.run_to(began + 8 * FRAME - 1)
    assert chip[USART1 + 0x1C] & 1 << 6 == 0
    chip.bench.run(1)
    assert chip[USART1 + 0x1C] & 1 << 6  # TC
    assert chip.usart.sent == b"at work!"
    # The last of each half goes into TDR when the frame before the last begins.
    assert chip.inputs[70].edges == [(began + 2 * FRAME, True)]
    assert chip.flags(7) == HTIF | TCIF
    assert chip.left(7) == 0
    assert chip.control(7) & EN == 0


def test_a_usart_fills_memory_as_frames_arrive(chip):
    chip.usart.receive(b"abcd")
    chip.receive(4, TCIE)
    began = chip.bench.cycle
    for count in range(1, 5):
        chip.bench.run(FRAME)
        assert chip.ram.data[:5] == b"abcd"[:count].ljust(5, b"\0")
        assert chip[USART1 + 0x1C] & 1 << 5 == 0  # RXNE: it was read
    assert chip.inputs[58].rises[0] <= began + 4 * FRAME
    assert chip.flags(2) == HTIF | TCIF


def test_a_circular_stream_goes_on_from_its_begin(chip):
    chip.usart.receive(b"0123456789")
    chip.receive(4, CIRC)
    left = []
    for _ in range(10):
        chip.bench.run(FRAME)
        left.append(chip.left(2))
        chip[DMA2 + LIFCR] = 0xFFFF_FFFF
    assert left == [3, 2, 1, 4, 3, 2, 1, 4, 3, 2]
    assert chip.ram.data[:5] == b"8967\0"
    assert chip.control(2) & EN


def test_two_buffers_take_turns(chip):
    chip.usart.receive(b"01234567")
    at = DMA2 + 0x10 + 0x18 * 2
    chip[at + M1AR] = RAM + 16
    chip.receive(2, DBM)
    chip.bench.run(2 * FRAME)
    assert chip.control(2) & CT
    chip[at + M0AR] = RAM + 32  # the one that is not in use
    chip[at + M1AR] = RAM + 48
    chip.bench.run(4 * FRAME)
    assert bytes(chip.ram.data[:2] + chip.ram.data[16:18] + chip.ram.data[32:34]) == b"012345"
    assert chip[at + M1AR] == RAM + 16


def test_without_the_usarts_or_the_streams_enable_nothing_moves(chip):
    chip.usart.receive(b"abcd")
    chip.receive(4)
    chip[USART1 + 8] = 0
    chip.bench.run(FRAME)
    assert chip.left(2) == 4
    chip[USART1 + 8] = 1 << 6
    assert chip.left(2) == 3
    chip[RCC + 0x30] = chip[RCC + 0x30] & ~(1 << 22)
    chip.bench.run(FRAME)
    chip[RCC + 0x30] = chip[RCC + 0x30] | 1 << 22
    assert chip.left(2) == 2
    assert chip.ram.data[:3] == b"ab\0"


def test_another_channel_is_not_served(chip):
    chip.ram.data[:2] = b"xy"
    chip.start(DMA2, 7, 2, USART1 + 0x28, RAM, 3 << 25 | FROM_MEMORY | MINC)
    chip[USART1 + 8] = 1 << 7
    chip.bench.run(10 * FRAME)
    assert chip.usart.sent == b""


def test_memory_to_memory_takes_two_cycles_an_item(chip):
    chip.ram.data[:400] = bytes(range(200)) * 2
    began = chip.bench.cycle
    chip.copy(100, PINC | MINC | 2 << 11 | 2 << 13 | HTIE | TCIE)
    chip.bench.run_to(began + 50)
    assert chip.left(0) == 75
    chip.bench.run_to(began + 100)
    assert chip.flags(0) == HTIF
    assert chip.ram.data[512:712] == chip.ram.data[:200]
    assert not any(chip.ram.data[712:])
    chip[DMA2 + LIFCR] = HTIF
    chip.bench.run_to(began + 200)
    assert chip.inputs[56].rises == [began + 100, began + 200]
    assert chip.ram.data[512:912] == chip.ram.data[:400]
    assert chip.control(0) & EN == 0


@pytest.mark.parametrize(
    ("how", "count", "expected"),
    [
        (PINC | MINC | 0 << 11 | 2 << 13, 8, bytes(range(1, 9))),  # bytes packed to words
        (PINC | MINC | 2 << 11 | 0 << 13, 2, bytes(range(1, 9))),
        (MINC | 1 << 11 | 1 << 13, 4, b"\1\2" * 4),
        (PINC | 1 << 15 | MINC | 0 << 11 | 0 << 13, 3, b"\1\5\x09"),  # PINCOS
        (PINC, 4, b"\4"),
    ],
)
def test_sizes_and_increments(chip, how, count, expected):
    chip.ram.data[:16] = bytes(range(1, 17))
    chip.copy(count, how)
    chip.bench.run(100)
    assert chip.ram.data[512:528] == expected.ljust(16, b"\0")


def test_items_are_copied_in_their_order_where_source_and_target_overlap(chip):
    chip.ram.data[:4] = b"abcd"
    chip.copy(6, PINC | MINC, target=RAM + 1)
    chip.bench.run(100)
    assert chip.ram.data[:8] == b"aaaaaaa\0"


def test_memory_moves_by_priority_and_then_by_number(chip):
    how = PINC | MINC | MEMORY_TO_MEMORY
    for stream, priority in ((0, 0), (1, 2), (2, 2)):
        chip.start(DMA2, stream, 10, RAM, RAM + 512, how | priority << 16)
    chip.bench.run(100)
    ended = []
    for stream, priority in ((0, 0), (1, 2), (2, 2)):
        chip[DMA2 + LIFCR] = 0xFFFF_FFFF
        chip.start(DMA2, stream, 10, RAM, RAM + 512, how | priority << 16)
    for _ in range(3):
        chip.bench.run(20)
        ended.append([chip.control(stream) & EN for stream in range(3)])
    assert ended == [[1, 0, 1], [1, 0, 0], [0, 0, 0]]


def test_dma1_does_not_go_from_memory_to_memory(chip, caplog):
    chip.start(DMA1, 0, 4, RAM, RAM + 512, PINC | MINC | MEMORY_TO_MEMORY)
    chip.bench.run(100)
    assert chip[DMA1 + 0x10 + NDTR] == 4
    assert caplog.messages == ["DMA1 can't go from memory to memory: that stream stands"]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (0x3000_0000, RAM),
        (0x0000_0000, RAM),
        (0x0020_0000, RAM),
        (RAM, 0x0800_0000),
        (RAM, 0x7000_0000),
    ],
)
def test_what_it_does_not_reach_is_a_transfer_error(chip, source, target):
    chip.copy(4, PINC | MINC | TEIE, source=source, target=target)
    chip.bench.run(100)
    assert (chip.flags(0), chip.inputs[56].level) == (TEIF, True)
    assert chip.control(0) & EN == 0


def test_what_runs_is_not_set_up_anew(chip):
    chip.receive(4)
    at = DMA2 + 0x10 + 0x18 * 2
    before = [chip[at + register] for register in range(0, 0x18, 4)]
    for register in range(NDTR, 0x18, 4):
        chip[at + register] = 0x77
    chip[at] = EN | CIRC | TCIE
    assert [chip[at + register] for register in range(4, 0x18, 4)] == before[1:]
    assert chip[at] == before[0] | TCIE


def test_a_stream_that_is_enabled_again_has_its_count_again(chip):
    chip.copy(4, PINC | MINC)
    chip.bench.run(100)
    assert chip.left(0) == 0
    chip[DMA2 + 0x10] = chip[DMA2 + 0x10] | EN
    assert chip.left(0) == 4


def test_a_reset_by_rcc_switches_all_off(chip):
    chip.receive(4)
    chip[RCC + 0x10] = 1 << 22
    chip[RCC + 0x10] = 0
    assert [chip[DMA2 + 0x10 + 0x18 * 2 + register] for register in range(0, 0x18, 4)] == [
        *[0] * 5, 0x21,
    ]  # fmt: skip
