"""SPI of the STM32F7 as a master (RM0385 chapter 32, RM0410 chapter 35), frame by frame.

Nobody is on the bus, whose MISO is high, unless the host answers. Left out: CRC, I2S, mode faults;
a slave waits for a clock for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.dma_requests import RequestLine

CR1: Final = 0x00
CR2: Final = 0x04
SR: Final = 0x08
DR: Final = 0x0C

_MSTR: Final = 1 << 2
_SPE: Final = 1 << 6
_RXONLY: Final = 1 << 10
_BIDIOE: Final = 1 << 14
_BIDIMODE: Final = 1 << 15
_RXDMAEN: Final = 1 << 0
_TXDMAEN: Final = 1 << 1
_ERRIE: Final = 1 << 5
_RXNEIE: Final = 1 << 6
_TXEIE: Final = 1 << 7
_FRXTH: Final = 1 << 12
_RXNE: Final = 1 << 0
_TXE: Final = 1 << 1
_OVR: Final = 1 << 6
_BSY: Final = 1 << 7
_FIFO_BYTES: Final = 4
_LEAST_BITS: Final = 4  # CR2.DS below that counts as 8 bits


class _Fifo:
    """32 bits of frames, of one byte or two each."""

    def __init__(self) -> None:
        self.frames: deque[int] = deque()
        self.frame_bytes = 1

    @property
    def filled_bytes(self) -> int:
        return len(self.frames) * self.frame_bytes

    @property
    def level(self) -> int:
        """FRLVL and FTLVL: empty, a quarter, a half, more."""
        return min(self.filled_bytes, 3)

    @property
    def has_room(self) -> bool:
        return self.filled_bytes + self.frame_bytes <= _FIFO_BYTES


class Spi(RegisterBlock):
    """One SPI. `answer` is given each frame that was sent and returns what comes meanwhile."""

    name = "SPI"
    reset_values: ClassVar[Mapping[int, int]] = {
        CR1: 0, CR2: 0x0700, SR: _TXE, DR: 0, 0x10: 7, 0x14: 0, 0x18: 0, 0x1C: 0, 0x20: 2,
    }  # fmt: skip
    register_names: ClassVar[Mapping[int, str]] = {
        CR1: "CR1", CR2: "CR2", SR: "SR", DR: "DR", 0x10: "CRCPR", 0x14: "RXCRCR", 0x18: "TXCRCR",
        0x1C: "I2SCFGR", 0x20: "I2SPR",
    }  # fmt: skip
    without_effect: ClassVar[Mapping[int, int]] = {CR1: 0x3000, 0x1C: 0x0C00}  # CRC, I2S

    def __init__(
        self, events: EventQueue, clock: ClockDomain, line: InterruptLine, name: str
    ) -> None:
        super().__init__(name)
        self._clock, self._line = clock, line
        self._alarm = Alarm(events, clock, self._end_frame)
        self._sending, self._received = _Fifo(), _Fifo()
        self._shifting = 0
        # OVR goes by reading DR, then SR.
        self._dr_was_read = False
        self.transmit_request, self.receive_request = RequestLine(), RequestLine()
        self.answer: Callable[[int], int] = lambda _sent: (1 << self._bits) - 1

    def reset(self) -> None:
        """Off and empty."""
        super().reset()
        self._alarm.set(None)
        self._empty()
        self._update()

    def read(self, offset: int, size_bytes: int) -> int:
        """Of DR as many frames as the access holds."""
        if offset == DR:
            return self._take(size_bytes)
        return super().read(offset, size_bytes)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """To DR as many frames as the access holds."""
        if offset == DR:
            self._send(size_bytes, value)
        else:
            super().write(offset, size_bytes, value)

    def read_word(self, offset: int) -> int:
        """SR tells of the FIFOs."""
        if offset != SR:
            return self._values[offset]
        status = self._status()
        if self._dr_was_read:
            self._dr_was_read = False
            self._values[SR] &= ~_OVR
            self._update()
        return status

    def write_word(self, offset: int, value: int) -> None:
        """CR1 switches on and off; frames that are in the FIFO then are lost."""
        if offset == SR:
            return
        self._values[offset] = value
        self._sending.frame_bytes = self._received.frame_bytes = 1 if self._bits <= 8 else 2
        if not self._values[CR1] & _SPE:
            self._alarm.set(None)
            self._empty()
        self._begin_frame(self._clock.ticks())
        self._update()

    @property
    def _bits(self) -> int:
        bits = (self._values[CR2] >> 8 & 0xF) + 1
        return bits if bits >= _LEAST_BITS else 8

    @property
    def _receives_only(self) -> bool:
        control = self._values[CR1]
        return bool(control & _RXONLY or control & (_BIDIMODE | _BIDIOE) == _BIDIMODE)

    def _empty(self) -> None:
        for fifo in (self._sending, self._received):
            fifo.frames.clear()

    def _send(self, size_bytes: int, value: int) -> None:
        fifo = self._sending
        for place in range(0, min(size_bytes, 2), fifo.frame_bytes):
            if fifo.has_room:
                fifo.frames.append(value >> 8 * place & ((1 << self._bits) - 1))
        self._begin_frame(self._clock.ticks())
        self._update()

    def _take(self, size_bytes: int) -> int:
        value, fifo = 0, self._received
        for place in range(0, min(size_bytes, 2), fifo.frame_bytes):
            if fifo.frames:
                value |= fifo.frames.popleft() << 8 * place
        self._dr_was_read = bool(self._values[SR] & _OVR)
        self._update()
        return value & ((1 << 8 * size_bytes) - 1)

    def _begin_frame(self, tick: int) -> None:
        """A master clocks what is to be sent, or on and on if it only receives."""
        control = self._values[CR1]
        if control & (_SPE | _MSTR) != _SPE | _MSTR or self._alarm.tick is not None:
            return
        if self._receives_only:
            self._shifting = 0
        elif self._sending.frames:
            self._shifting = self._sending.frames.popleft()
        else:
            return
        self._alarm.set(tick + self._bits * (2 << (control >> 3 & 7)))

    def _end_frame(self, tick: int) -> None:
        came = self.answer(self._shifting) & ((1 << self._bits) - 1)
        is_half_duplex_out = self._values[CR1] & (_BIDIMODE | _BIDIOE) == _BIDIMODE | _BIDIOE
        if self._received.has_room and not is_half_duplex_out:
            self._received.frames.append(came)
        elif not is_half_duplex_out:
            self._values[SR] |= _OVR
        self._begin_frame(tick)
        self._update()

    def _status(self) -> int:
        sending, received = self._sending, self._received
        threshold = 1 if self._values[CR2] & _FRXTH else 2
        return (
            self._values[SR] & _OVR
            | (_TXE if sending.filled_bytes <= _FIFO_BYTES // 2 else 0)
            | (_RXNE if received.filled_bytes >= threshold else 0)
            | (_BSY if self._alarm.tick is not None else 0)
            | received.level << 9
            | sending.level << 11
        )

    def _update(self) -> None:
        """Drive interrupt and requests; the DMA may serve these before it comes back."""
        status, control = self._status(), self._values[CR2]
        asks = (
            (status & _RXNE and control & _RXNEIE)
            or (status & _TXE and control & _TXEIE)
            or (status & _OVR and control & _ERRIE)
        )
        self._line.set(bool(asks))
        self.receive_request.set(bool(status & _RXNE and control & _RXDMAEN))
        is_on = self._values[CR1] & _SPE
        self.transmit_request.set(bool(self._status() & _TXE and control & _TXDMAEN and is_on))
