"""USART of the STM32F7 (RM0385 chapter 31, RM0410 chapter 34) in asynchronous mode.

Frames take their bit times. Left out: parity and framing errors, multiprocessor, LIN,
synchronous, smart-card and IrDA modes, flow control, and the idle frame that TE sends first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.dma_requests import RequestLine
from usim.devices.peripherals.usart_frames import Receiver, Transmitter

CR1: Final = 0x00
CR2: Final = 0x04
CR3: Final = 0x08
BRR: Final = 0x0C
RQR: Final = 0x18
ISR: Final = 0x1C
ICR: Final = 0x20
RDR: Final = 0x24
TDR: Final = 0x28

_UE: Final = 1 << 0
_RE: Final = 1 << 2
_TE: Final = 1 << 3
_M0: Final = 1 << 12
_M1: Final = 1 << 28
_PCE: Final = 1 << 10
_OVER8: Final = 1 << 15
_EIE: Final = 1 << 0
_DMAR: Final = 1 << 6
_DMAT: Final = 1 << 7
_OVRDIS: Final = 1 << 12
_ORE: Final = 1 << 3
_IDLE: Final = 1 << 4
_RXNE: Final = 1 << 5
_TC: Final = 1 << 6
_TXE: Final = 1 << 7
_TEACK: Final = 1 << 21
_REACK: Final = 1 << 22
_RXFRQ: Final = 1 << 3
_TXFRQ: Final = 1 << 4
# ORE, IDLE and TC have the same place in ISR and in ICR.
_CLEARABLE: Final = _ORE | _IDLE | _TC
# An interrupt enable of CR1 has the place of its flag in ISR: IDLE, RXNE, TC, TXE.
_ENABLES: Final = _IDLE | _RXNE | _TC | _TXE
_LEAST_DIVIDER: Final = 16
# Half bits of a stop, by CR2.STOP.
_STOP_HALVES: Final = (2, 1, 4, 3)


class Usart(RegisterBlock):
    """One USART. `on_byte` is called with each byte whose frame has left."""

    name = "USART"
    reset_values: ClassVar[dict[int, int]] = {
        **dict.fromkeys((CR1, CR2, CR3, BRR, 0x10, 0x14, RQR, ICR, RDR, TDR), 0),
        ISR: _TXE | _TC,
    }
    register_names: ClassVar[dict[int, str]] = {
        CR1: "CR1", CR2: "CR2", CR3: "CR3", BRR: "BRR", 0x10: "GTPR", 0x14: "RTOR", RQR: "RQR",
        ISR: "ISR", ICR: "ICR", RDR: "RDR", TDR: "TDR",
    }  # fmt: skip
    without_effect: ClassVar[dict[int, int]] = {
        CR1: 0x0C00_6900,  # EOBIE, RTOIE, CMIE, MME, WAKE, PEIE
        CR2: 0x00FF_CF70,  # RTOEN, ABRMOD, inversions, SWAP, LINEN, clock outputs, LIN breaks
        CR3: 0x00FE_C73E,  # all but EIE, DMAR, DMAT, ONEBIT, OVRDIS
        RQR: 0x0000_0007,  # MMRQ, SBKRQ, ABRRQ
    }

    def __init__(
        self,
        events: EventQueue,
        kernel: ClockDomain,
        line: InterruptLine,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self._line = line
        self._left = bytearray()
        self._transmitter = Transmitter(events, kernel, self._end_frame)
        self._receiver = Receiver(events, kernel, self._take, self._note_idle)
        self._received_since_idle = False
        # To the DMA.
        self.transmit_request, self.receive_request = RequestLine(), RequestLine()
        self.on_byte: Callable[[int], None] = lambda _byte: None

    @property
    def sent(self) -> bytes:
        """Everything that left it since it was made, and what is on its way."""
        return bytes(self._left) + self._transmitter.under_way()

    def receive(self, data: bytes) -> None:
        """Have the other side send bytes, at this side's rate, as soon as this one listens."""
        self._receiver.feed(data)

    def drain(self) -> None:
        """Let what is under way leave at once: the program has ended, the line goes on."""
        data = self._transmitter.under_way()
        self._transmitter.abort()
        for byte in data:
            self._emit(byte)
        self._values[ISR] |= _TXE | (_TC if data else 0)
        self._drive_interrupt()

    def reset(self) -> None:
        """Off; a frame on the line is cut short."""
        super().reset()
        self._transmitter.abort()
        self._receiver.switch(0)
        self._update()

    def read_word(self, offset: int) -> int:
        """RDR takes the byte."""
        value = self._values[offset]
        if offset == RDR:
            self._values[ISR] &= ~_RXNE
            self._update()
        return value

    def write_word(self, offset: int, value: int) -> None:
        """TDR sends; ICR and RQR clear flags; BRR is set while disabled."""
        if offset == TDR:
            self._send(value & self._data_mask())
        elif offset == CR1:
            self._control(value)
        elif offset == RQR:
            self._request(value)
        elif offset == ICR:
            self._values[ISR] &= ~(value & _CLEARABLE)
        elif offset == BRR:
            if not self._values[CR1] & _UE:
                self._values[BRR] = value & 0xFFFF
        elif offset not in (ISR, RDR):
            self._values[offset] = value
        self._update()

    def _control(self, value: int) -> None:
        """Without UE flags fall back and what was under way is dropped, without TE the latter."""
        self._values[CR1] = value
        if not value & _UE:
            self._values[ISR] = self.reset_values[ISR]
        if not self._is_on(_TE):
            self._transmitter.abort()
            self._values[ISR] |= _TXE | _TC
        self._receiver.switch(self._frame_ticks() if self._is_on(_RE) else 0)
        acknowledged = (_TEACK if self._is_on(_TE) else 0) | (_REACK if self._is_on(_RE) else 0)
        self._values[ISR] = self._values[ISR] & ~(_TEACK | _REACK) | acknowledged

    def _request(self, value: int) -> None:
        if value & _RXFRQ:
            self._values[ISR] &= ~_RXNE
        if value & _TXFRQ:
            self._transmitter.waiting = None
            self._values[ISR] |= _TXE

    def _send(self, byte: int) -> None:
        if not self._is_on(_TE):
            return
        self._transmitter.send(byte, self._frame_ticks())
        self._values[ISR] &= ~_TC
        if self._transmitter.waiting is not None:
            self._values[ISR] &= ~_TXE

    def _end_frame(self, byte: int) -> None:
        self._values[ISR] |= _TXE
        if self._transmitter.shifting is None:
            self._values[ISR] |= _TC
        self._emit(byte)
        self._update()

    def _emit(self, byte: int) -> None:
        self._left.append(byte)
        self.on_byte(byte)

    def _take(self, byte: int) -> None:
        """A byte arrived; one that finds the last one unread is lost, or with OVRDIS takes over."""
        self._received_since_idle = True
        is_full = self._values[ISR] & _RXNE
        if is_full and not self._values[CR3] & _OVRDIS:
            self._values[ISR] |= _ORE
        else:
            self._values[RDR] = byte & self._data_mask()
            self._values[ISR] |= _RXNE
        self._update()

    def _note_idle(self) -> None:
        if self._received_since_idle:
            self._received_since_idle = False
            self._values[ISR] |= _IDLE
            self._update()

    def _update(self) -> None:
        """Drive interrupt and requests; the DMA may serve these before it comes back."""
        self._drive_interrupt()
        status, requests = self._values[ISR], self._values[CR3]
        receives = status & _RXNE and requests & _DMAR and self._values[CR1] & _UE
        self.receive_request.set(bool(receives))
        wants = self._values[ISR] & _TXE and requests & _DMAT
        self.transmit_request.set(bool(wants) and self._is_on(_TE))

    def _drive_interrupt(self) -> None:
        control, status = self._values[CR1], self._values[ISR]
        asserted = control & status & _ENABLES
        # An overrun asks through RXNEIE as well (table "USART interrupt requests").
        overrun = status & _ORE and (control & _RXNE or self._values[CR3] & _EIE)
        self._line.set(bool(control & _UE and (asserted or overrun)))

    def _is_on(self, direction: int) -> bool:
        # Without a baud rate nothing moves ("USART baud rate generation").
        wanted = _UE | direction
        return self._values[CR1] & wanted == wanted and self._values[BRR] >= _LEAST_DIVIDER

    def _frame_ticks(self) -> int:
        """Start, data and stop bits, in ticks of the kernel clock."""
        halves = 2 * (1 + self._frame_bits()) + _STOP_HALVES[self._values[CR2] >> 12 & 3]
        divider = self._values[BRR]
        if self._values[CR1] & _OVER8:
            # BRR[3:0] is half of USARTDIV's, and a bit takes half of USARTDIV.
            divider = (divider & ~0xF | (divider & 7) << 1) // 2
        return -(-halves * divider // 2)

    def _frame_bits(self) -> int:
        control = self._values[CR1]
        return 7 if control & _M1 else 9 if control & _M0 else 8

    def _data_mask(self) -> int:
        """Data bits of a frame, parity left out (table "Frame formats")."""
        parity = bool(self._values[CR1] & _PCE)
        return min((1 << (self._frame_bits() - parity)) - 1, 0xFF)
