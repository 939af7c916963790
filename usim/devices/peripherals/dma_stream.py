"""One stream of the STM32F7's DMA (RM0385 and RM0410, 8.3): items from one place to another.

An item is what the peripheral's side moves at once, of PSIZE; memory's side collects or splits it
to MSIZE. Left out: bursts and the FIFO's thresholds, so that memory is written as soon as it can
be, the peripheral as flow controller (PFCTRL), and errors of the FIFO and of direct mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from usim.devices.peripherals.dma_requests import RequestLine
from usim.devices.peripherals.master_port import MasterPort
from usim.errors import AccessError

CR, NDTR, PAR, M0AR, M1AR, FCR = range(0, 0x18, 4)

# Flags, as they stand in LISR for stream 0.
TEIF: Final = 1 << 3
HTIF: Final = 1 << 4
TCIF: Final = 1 << 5

_EN: Final = 1 << 0
_CIRC: Final = 1 << 8
_PINC: Final = 1 << 9
_MINC: Final = 1 << 10
_PINCOS: Final = 1 << 15
_DBM: Final = 1 << 18
_CT: Final = 1 << 19
# DMEIE, TEIE, HTIE and TCIE may be changed at any time.
_INTERRUPTS: Final = 0x1E
# From the place of an enable to that of its flag.
_FLAG_OF_ENABLE: Final = 1
_DMDIS: Final = 1 << 2
_FIFO_EMPTY: Final = 4 << 3
_CR_WRITABLE: Final = 0x1FEF_FFFF
_FCR_WRITABLE: Final = 0x87
_FCR_RESET: Final = 0x21
# At a time: one whose PAR is not the register that asks goes round for ever.
_MOST_ITEMS: Final = 0x1_0000
_FROM_MEMORY, _MEMORY_TO_MEMORY = 1, 2


class Stream:
    """Registers and progress of one stream; `changed` is called when a flag or EN may be new."""

    def __init__(self, port: MasterPort, changed: Callable[[], None]) -> None:
        self._port, self._changed = port, changed
        self.requests: Mapping[int, RequestLine] = {}
        self.reset()

    def reset(self) -> None:
        """Off."""
        self.flags = 0
        self._values = dict.fromkeys((CR, NDTR, PAR, M0AR, M1AR), 0) | {FCR: _FCR_RESET}
        self._programmed = 0
        self._peripheral_at = self._memory_at = 0
        self._fifo = bytearray()
        self._is_serving = False

    @property
    def is_enabled(self) -> bool:
        """CR.EN."""
        return bool(self._values[CR] & _EN)

    @property
    def moves_memory(self) -> bool:
        """Whether it is set up to go from memory to memory, without anybody's request."""
        return self._direction == _MEMORY_TO_MEMORY

    @property
    def priority(self) -> int:
        """CR.PL; the highest is 3."""
        return self._values[CR] >> 16 & 3

    @property
    def asserted(self) -> bool:
        """Whether it asks for its interrupt."""
        return bool(self.flags & (self._values[CR] & _INTERRUPTS) << _FLAG_OF_ENABLE)

    @property
    def items_to_flag(self) -> int:
        """Items until the next of HTIF and TCIF."""
        left, half = self._values[NDTR], self._programmed // 2
        return left - half if left > half else left

    def read(self, register: int) -> int:
        """The register at an offset from the stream's first."""
        return self._values[register]

    def write(self, register: int, value: int) -> None:
        """Most can be written while the stream is off alone."""
        if register == CR:
            self._control(value)
        elif register == FCR:
            if not self.is_enabled:
                self._values[FCR] = value & _FCR_WRITABLE | _FIFO_EMPTY
        elif register in (M0AR, M1AR) and self.is_enabled:
            # Of two buffers that which is not in use can be exchanged.
            idle = M0AR if self._values[CR] & _CT else M1AR
            if self._values[CR] & _DBM and register == idle:
                self._values[register] = value
        elif not self.is_enabled:
            self._values[register] = value & 0xFFFF if register == NDTR else value
            if register == NDTR:
                self._programmed = self._values[NDTR]

    def serve(self) -> None:
        """Move items as long as the peripheral of the selected channel asks for them."""
        request = self.requests.get(self._values[CR] >> 25 & 0xF)
        if request is None or self._is_serving or self.moves_memory:
            return
        self._is_serving = True
        for _ in range(_MOST_ITEMS):
            if not self.is_enabled or not request.level:
                break
            self.move(1)
        self._is_serving = False

    def move(self, items: int) -> None:
        """Move so many items or as many as are left, with their flags."""
        while items > 0 and self.is_enabled:
            count = min(items, self.items_to_flag)
            try:
                self._transfer(count)
            except AccessError:
                self.flags |= TEIF
                self._values[CR] &= ~_EN
                break
            items -= count
            self._values[NDTR] -= count
            if self._values[NDTR] == self._programmed // 2:
                self.flags |= HTIF
            if not self._values[NDTR]:
                self._end_round()
        self._changed()

    @property
    def _direction(self) -> int:
        return self._values[CR] >> 6 & 3

    def _control(self, value: int) -> None:
        if self.is_enabled:
            self._values[CR] = self._values[CR] & ~_INTERRUPTS | value & _INTERRUPTS
            if not value & _EN:
                self._values[CR] &= ~_EN
                # What was under way is over (8.3.17).
                self.flags |= TCIF
        else:
            self._values[CR] = value & _CR_WRITABLE
            if value & _EN:
                self._begin()
        self._changed()

    def _begin(self) -> None:
        values = self._values
        if self.moves_memory:
            values[FCR] |= _DMDIS
        elif not values[FCR] & _DMDIS:
            # In direct mode both sides have the peripheral's size.
            values[CR] = values[CR] & ~(3 << 13) | (values[CR] >> 11 & 3) << 13
        values[NDTR] = self._programmed
        if not self._programmed:
            values[CR] &= ~_EN
        self._fifo.clear()
        self._rewind()

    def _rewind(self) -> None:
        self._peripheral_at = self._values[PAR]
        self._memory_at = self._values[M1AR if self._uses_second else M0AR]

    @property
    def _uses_second(self) -> bool:
        return self._values[CR] & (_DBM | _CT) == _DBM | _CT

    def _end_round(self) -> None:
        self.flags |= TCIF
        values = self._values
        if values[CR] & (_CIRC | _DBM) and not self.moves_memory:
            if values[CR] & _DBM:
                values[CR] ^= _CT
            values[NDTR] = self._programmed
            self._rewind()
        else:
            values[CR] &= ~_EN

    def _transfer(self, items: int) -> None:
        control = self._values[CR]
        size = 1 << (control >> 11 & 3)
        if control & (_PINC | _MINC | _PINCOS) == _PINC | _MINC and self._can_copy(items * size):
            self._copy(items * size)
            return
        for _ in range(items):
            if self._direction == _FROM_MEMORY:
                self._move_from_memory(size)
            else:
                self._move_to_memory(size)

    def _can_copy(self, size_bytes: int) -> bool:
        """Whether the order of the items makes no difference."""
        places = self._peripheral_at, self._memory_at
        return (
            not self._fifo
            and size_bytes % self._memory_size == 0
            and abs(places[0] - places[1]) >= size_bytes
            and all(self._port.is_memory(place) for place in places)
        )

    def _copy(self, size_bytes: int) -> None:
        """All at once, from memory to memory."""
        places = [self._peripheral_at, self._memory_at]
        if self._direction == _FROM_MEMORY:
            places.reverse()
        self._port.write(places[1], self._port.read(places[0], size_bytes))
        self._peripheral_at += size_bytes
        self._memory_at += size_bytes

    def _move_to_memory(self, size: int) -> None:
        self._fifo += self._port.read(self._peripheral_at, size)
        self._step_peripheral(size)
        unit = self._memory_size
        while len(self._fifo) >= unit:
            self._port.write(self._memory_at, bytes(self._fifo[:unit]))
            del self._fifo[:unit]
            self._step_memory(unit)

    def _move_from_memory(self, size: int) -> None:
        while len(self._fifo) < size:
            self._fifo += self._port.read(self._memory_at, self._memory_size)
            self._step_memory(self._memory_size)
        self._port.write(self._peripheral_at, bytes(self._fifo[:size]))
        del self._fifo[:size]
        self._step_peripheral(size)

    @property
    def _memory_size(self) -> int:
        return 1 << (self._values[CR] >> 13 & 3)

    def _step_peripheral(self, size: int) -> None:
        if self._values[CR] & _PINC:
            self._peripheral_at += 4 if self._values[CR] & _PINCOS else size

    def _step_memory(self, size: int) -> None:
        if self._values[CR] & _MINC:
            self._memory_at += size
