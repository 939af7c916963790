"""DMA1 and DMA2 of the STM32F7 (RM0385 and RM0410, chapter 8): eight streams each.

A request is served at once. From memory to memory an item takes two cycles of HCLK, one on either
port, for one stream at a time: that of the highest priority, then of the lowest number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.clock_domain import ClockDomain
from usim.devices.peripherals.dma_requests import RequestLine
from usim.devices.peripherals.dma_stream import FCR, NDTR, Stream
from usim.devices.peripherals.master_port import MasterPort
from usim.devices.peripherals.ticked_block import TickedBlock

LISR: Final = 0x00
HISR: Final = 0x04
LIFCR: Final = 0x08
HIFCR: Final = 0x0C
STREAMS: Final = 8
_FIRST_STREAM: Final = 0x10
_STREAM_BYTES: Final = 0x18
_FLAGS: Final = 0x3D
# Of streams 0 to 3 in LISR, 4 to 7 in HISR.
_FLAG_SHIFTS: Final = (0, 6, 16, 22)
_ITEM_TICKS: Final = 2
_MEMORY_MOVER: Final = "DMA2"
_STREAM_REGISTERS: Final = ("CR", "NDTR", "PAR", "M0AR", "M1AR", "FCR")


def stream_register(stream: int, register: int) -> int:
    """The offset of a stream's register."""
    return _FIRST_STREAM + _STREAM_BYTES * stream + register


class DmaController(TickedBlock):
    """One DMA; `lines` are its streams' interrupts. Only DMA2 goes from memory to memory."""

    name = "DMA"
    reset_values: ClassVar[Mapping[int, int]] = dict.fromkeys((LISR, HISR, LIFCR, HIFCR), 0) | {
        stream_register(stream, register): 0x21 if register == FCR else 0
        for stream in range(STREAMS)
        for register in range(0, _STREAM_BYTES, 4)
    }
    register_names: ClassVar[Mapping[int, str]] = {
        LISR: "LISR", HISR: "HISR", LIFCR: "LIFCR", HIFCR: "HIFCR",
    } | {
        stream_register(stream, 4 * place): f"S{stream}{name}"
        for stream in range(STREAMS)
        for place, name in enumerate(_STREAM_REGISTERS)
    }  # fmt: skip
    cleared_by_ones: ClassVar[frozenset[int]] = frozenset({LIFCR, HIFCR})
    # PFCTRL and bursts.
    without_effect: ClassVar[Mapping[int, int]] = {
        stream_register(stream, 0): 0x01E0_0020 for stream in range(STREAMS)
    }

    def __init__(
        self,
        events: EventQueue,
        clock: ClockDomain,
        port: MasterPort,
        lines: Sequence[InterruptLine],
        name: str,
    ) -> None:
        """`clock` is HCLK while RCC lets it pass."""
        super().__init__(clock, name)
        self._lines = lines
        self.streams = [Stream(port, self._settle) for _ in range(STREAMS)]
        self._moves_memory = name == _MEMORY_MOVER
        self._alarm = Alarm(events, clock, self._advance_to)
        self._moving: Stream | None = None
        self._reached = 0
        clock.on_change(self._serve)

    def connect(self, stream: int, requests: Mapping[int, RequestLine]) -> None:
        """Give a stream its requests, by channel."""
        self.streams[stream].requests = requests
        for request in requests.values():
            request.on_rise(self._serve)

    def changes_with_time(self, offset: int) -> bool:
        """From memory to memory items move between events too."""
        moving = self._moving
        return moving is not None and offset & ~3 == stream_register(
            self.streams.index(moving), NDTR
        )

    def read_word(self, offset: int) -> int:
        """Flags and streams' registers."""
        if offset >= _FIRST_STREAM:
            stream, register = divmod(offset - _FIRST_STREAM, _STREAM_BYTES)
            return self.streams[stream].read(register)
        if offset in (LISR, HISR):
            flags = zip(_FLAG_SHIFTS, self._half(offset == HISR), strict=True)
            return sum(stream.flags << shift for shift, stream in flags)
        return 0

    def write_word(self, offset: int, value: int) -> None:
        """LIFCR and HIFCR clear flags."""
        if offset >= _FIRST_STREAM:
            stream, register = divmod(offset - _FIRST_STREAM, _STREAM_BYTES)
            self.streams[stream].write(register, value)
        elif offset in (LIFCR, HIFCR):
            for shift, cleared in zip(_FLAG_SHIFTS, self._half(offset == HIFCR), strict=True):
                cleared.flags &= ~(value >> shift & _FLAGS)
        self._serve()
        self._settle()

    def _half(self, is_high: bool) -> list[Stream]:
        return self.streams[4:] if is_high else self.streams[:4]

    def _serve(self) -> None:
        """Whoever asks is served in the order of priorities, if there is a clock."""
        if self._clock.rate:
            for stream in sorted(self.streams, key=lambda stream: -stream.priority):
                if stream.is_enabled:
                    stream.serve()

    def _restart(self) -> None:
        for stream in self.streams:
            stream.reset()

    def _settle(self) -> None:
        for line, stream in zip(self._lines, self.streams, strict=True):
            line.set(stream.asserted)
        self._choose()

    def _choose(self) -> None:
        """Find whose memory moves, and when its next flag is due."""
        waiting = [stream for stream in self.streams if stream.is_enabled and stream.moves_memory]
        if waiting and not self._moves_memory:
            self.log_once(f"{self.name} can't go from memory to memory: that stream stands", 0)
            waiting = []
        chosen = max(waiting, key=lambda stream: stream.priority, default=None)
        if chosen is not self._moving:
            self._moving, self._reached = chosen, self._clock.ticks()
        ticks = 0 if chosen is None else _ITEM_TICKS * chosen.items_to_flag
        self._alarm.set(None if chosen is None else self._reached + ticks)

    def _advance_to(self, tick: int) -> None:
        while (stream := self._moving) is not None:
            items = min((tick - self._reached) // _ITEM_TICKS, stream.items_to_flag)
            if items <= 0:
                return
            self._reached += items * _ITEM_TICKS
            stream.move(items)
