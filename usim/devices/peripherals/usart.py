"""USART of the STM32F7 (RM0385 chapter 31, RM0410 chapter 34), as a line of bytes without time.

A byte is sent the moment it is written and received when the program asks for it. No interrupts,
no DMA, no synchronous or smart-card mode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ClassVar, Final

from usim.devices.peripherals.base import RegisterBlock

CR1: Final = 0x00
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
_RXNE: Final = 1 << 5
_TC: Final = 1 << 6
_TXE: Final = 1 << 7
_TEACK: Final = 1 << 21
_REACK: Final = 1 << 22
_RXFRQ: Final = 1 << 3
_TCCF: Final = 1 << 6
_LEAST_DIVIDER: Final = 16


class Usart(RegisterBlock):
    """One USART; `sent` is everything that left it since it was made."""

    name = "USART"
    reset_values: ClassVar[dict[int, int]] = {
        **dict.fromkeys((CR1, 0x04, 0x08, BRR, 0x10, 0x14, RQR, ICR, RDR, TDR), 0),
        ISR: _TXE | _TC,
    }

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        # Who is told of each byte that has left.
        self.on_byte: Callable[[int], None] = lambda _: None
        self._arriving: deque[int] = deque()

    def receive(self, data: bytes) -> None:
        """Put bytes on the line; each waits until the program takes it, so none is overrun."""
        self._arriving.extend(data)

    def read_word(self, offset: int) -> int:
        """ISR is made up of what is enabled and what waits; RDR takes a byte."""
        if offset == ISR:
            control = self._values[CR1]
            return (
                self._values[ISR]
                | (_TEACK if self._is_on(_TE) else 0)
                | (_REACK if self._is_on(_RE) else 0)
                | (_RXNE if control & _RE and self._is_on(_RE) and self._arriving else 0)
            )
        if offset == RDR and self._is_on(_RE) and self._arriving:
            self._values[RDR] = self._arriving.popleft() & self._data_mask()
        return self._values[offset]

    def write_word(self, offset: int, value: int) -> None:
        """TDR sends; RQR may drop what was received; ICR clears TC; BRR is set while disabled."""
        if offset == TDR:
            if self._is_on(_TE):
                self.sent.append(value & self._data_mask())
                self.on_byte(self.sent[-1])
                self._values[ISR] |= _TC
        elif offset == RQR:
            if value & _RXFRQ and self._arriving:
                self._arriving.popleft()
        elif offset == ICR:
            self._values[ISR] &= ~(value & _TCCF)
        elif offset == BRR:
            if not self._values[CR1] & _UE:
                self._values[BRR] = value & 0xFFFF
        elif offset not in (ISR, RDR):
            self._values[offset] = value

    def _is_on(self, direction: int) -> bool:
        # Without a baud rate nothing moves ("USART baud rate generation").
        wanted = _UE | direction
        return self._values[CR1] & wanted == wanted and self._values[BRR] >= _LEAST_DIVIDER

    def _data_mask(self) -> int:
        """Data bits of a frame, parity left out (table "Frame formats")."""
        control = self._values[CR1]
        bits = 7 if control & _M1 else 9 if control & _M0 else 8
        return min((1 << (bits - bool(control & _PCE))) - 1, 0xFF)
