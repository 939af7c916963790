"""A USART's frames in time (RM0385, chapter 31), on a bench without a core."""

from __future__ import annotations

from fractions import Fraction

import pytest
from rig import Bench

from usim.devices.peripherals.usart import BRR, CR1, CR2, CR3, ICR, ISR, RDR, RQR, TDR, Usart

UE, RE, TE, IDLEIE, RXNEIE, TCIE, TXEIE = 1, 4, 8, 1 << 4, 1 << 5, 1 << 6, 1 << 7
OVER8, M0, M1 = 1 << 15, 1 << 12, 1 << 28
ORE, IDLE, RXNE, TC, TXE, TEACK, REACK = 8, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 21, 1 << 22
FRAME = 10 * 139


class Line:
    """A USART at 139 core cycles a bit, and what it sent when."""

    def __init__(self, control: int = UE | RE | TE, rate: Fraction | int = 1) -> None:
        self.bench = Bench()
        self.kernel = self.bench.domain(rate)
        self.irq = self.bench.line()
        self.usart = Usart(self.bench.events, self.kernel, self.irq, "USART1")
        self.left: list[tuple[int, int]] = []
        self.usart.on_byte = lambda byte: self.left.append((self.bench.events.now, byte))
        self.set(BRR, 139)
        self.set(CR1, control)

    def get(self, offset: int) -> int:
        return self.usart.read(offset, 4)

    def set(self, offset: int, value: int) -> None:
        self.usart.write(offset, 4, value)

    def flags(self) -> int:
        return self.get(ISR) & (ORE | IDLE | RXNE | TC | TXE)


def test_frames_follow_one_another_without_a_gap():
    line = Line()
    line.set(TDR, 0x41)
    assert line.flags() == TXE  # in the shift register already
    line.set(TDR, 0x42)
    assert line.flags() == 0
    line.bench.run_to(FRAME - 1)
    assert line.flags() == 0
    line.bench.run_to(FRAME)
    assert line.flags() == TXE
    line.bench.run_to(2 * FRAME)
    assert line.flags() == TXE | TC
    assert line.left == [(FRAME, 0x41), (2 * FRAME, 0x42)]


def test_a_byte_written_before_the_last_one_moved_on_replaces_it():
    line = Line()
    for byte in b"abc":
        line.set(TDR, byte)
    line.bench.run(10 * FRAME)
    assert bytes(byte for _, byte in line.left) == b"ac"


@pytest.mark.parametrize(
    ("control", "brr", "stop", "ticks"),
    [
        (0, 0x8B, 0, 1390),
        (M0, 0x8B, 0, 1529),
        (M1, 0x8B, 0, 1251),
        (0, 0x8B, 2, 1529),
        (OVER8, 0x112, 0, 10 * 0x8A),  # USARTDIV is 0x114, a bit takes half of it
    ],
)
def test_a_frame_takes_its_bits(control, brr, stop, ticks):
    line = Line(0)
    line.set(BRR, brr)
    line.set(CR2, stop << 12)
    line.set(CR1, UE | TE | control)
    line.set(TDR, 0x55)
    line.bench.run(10_000)
    assert line.left == [(ticks, 0x55)]


def test_a_frame_under_way_goes_on_at_a_new_clock():
    line = Line()
    line.set(TDR, 1)
    line.bench.run(FRAME // 2)
    line.bench.change(line.kernel, Fraction(1, 4))
    line.bench.run(10 * FRAME)
    assert line.left == [(FRAME // 2 + 4 * (FRAME - FRAME // 2), 1)]


def test_what_the_host_sends_arrives_at_line_rate_and_then_the_line_is_idle():
    line = Line(UE | RE | IDLEIE)
    line.usart.receive(b"hi")
    line.bench.run_to(FRAME - 1)
    assert line.flags() & RXNE == 0
    line.bench.run_to(FRAME)
    assert line.get(RDR) == ord("h")
    assert line.flags() & RXNE == 0
    line.bench.run_to(2 * FRAME)
    assert line.get(RDR) == ord("i")
    assert line.flags() & IDLE == 0
    line.bench.run_to(3 * FRAME)
    assert line.irq.edges == [(3 * FRAME, True)]
    line.set(ICR, IDLE)
    assert not line.irq.level
    line.bench.run(100 * FRAME)
    assert line.flags() & IDLE == 0


def test_the_host_waits_until_the_receiver_is_on():
    line = Line(0)
    line.usart.receive(b"x")
    line.bench.run(10 * FRAME)
    line.set(CR1, UE | RE)
    assert line.get(ISR) & (TEACK | REACK) == REACK
    line.bench.run(FRAME)
    assert line.get(RDR) == ord("x")


def test_a_slow_program_loses_bytes_and_is_told():
    line = Line(UE | RE | RXNEIE)
    line.usart.receive(b"abc")
    line.bench.run(3 * FRAME)
    assert line.flags() & (RXNE | ORE) == RXNE | ORE
    assert line.get(RDR) == ord("a")
    assert line.irq.level  # by ORE
    line.set(ICR, ORE)
    assert not line.irq.level


def test_with_overrun_detection_off_the_last_byte_stays():
    line = Line(UE | RE)
    line.set(CR3, 1 << 12)
    line.usart.receive(b"abc")
    line.bench.run(3 * FRAME)
    assert line.flags() & ORE == 0
    assert line.get(RDR) == ord("c")


@pytest.mark.parametrize(("enable", "cycles"), [(TXEIE, [0, FRAME]), (TCIE, [0, 2 * FRAME])])
def test_transmission_interrupts(enable, cycles):
    line = Line(UE | TE | enable)
    line.set(TDR, 1)
    line.set(TDR, 2)
    line.bench.run(5 * FRAME)
    assert line.irq.rises == cycles


def test_requests_and_disabling_drop_what_waits():
    line = Line()
    line.set(TDR, 1)
    line.set(TDR, 2)
    line.set(RQR, 1 << 4)
    assert line.flags() & TXE
    line.bench.run(FRAME)
    line.usart.receive(b"z")
    line.bench.run(FRAME)
    line.set(RQR, 1 << 3)
    assert line.flags() & RXNE == 0
    line.set(TDR, 3)
    line.set(CR1, 0)
    line.bench.run(10 * FRAME)
    assert [byte for _, byte in line.left] == [1]
    assert line.flags() == TXE | TC


def test_sent_counts_what_is_on_its_way_and_draining_lets_it_leave():
    line = Line()
    line.set(TDR, 0x61)
    line.set(TDR, 0x62)
    line.bench.run(FRAME // 2)
    assert line.usart.sent == b"ab"
    assert line.left == []
    line.usart.drain()
    assert line.left == [(FRAME // 2, 0x61), (FRAME // 2, 0x62)]
    assert line.usart.sent == b"ab"
    assert line.flags() == TXE | TC


def test_a_reset_that_the_chip_makes_cuts_a_frame():
    line = Line()
    line.set(TDR, 0x61)
    line.usart.reset()
    line.bench.run(10 * FRAME)
    assert line.usart.sent == b""


def test_features_without_a_model_are_named_once(caplog):
    line = Line()
    for _ in range(2):
        line.set(CR3, 1 << 3)
    assert [record.message for record in caplog.records] == [
        "USART1.CR3: bits 0x0000_0008 have no effect here"
    ]
