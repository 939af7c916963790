"""The two directions of a USART's line: frames that take their time.

Ticks are those of the kernel clock. A frame starts when the one before it ends, to the tick.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from usim.devices.events import EventQueue
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.clock_domain import ClockDomain


class Transmitter:
    """The shift register behind TDR. `ended` is called with each byte whose frame has ended."""

    def __init__(
        self, events: EventQueue, domain: ClockDomain, ended: Callable[[int], None]
    ) -> None:
        self._domain = domain
        self._ended = ended
        self._alarm = Alarm(events, domain, self._end_frame)
        self._frame_ticks = 0
        self.shifting: int | None = None
        self.waiting: int | None = None  # in TDR

    def send(self, byte: int, frame_ticks: int) -> None:
        """Put a byte into TDR; it moves on at once if the line is free."""
        self._frame_ticks = frame_ticks
        if self.shifting is None:
            self.shifting = byte
            self._alarm.set(self._domain.ticks() + frame_ticks)
        else:
            self.waiting = byte

    def abort(self) -> None:
        """Drop what is under way."""
        self.shifting = self.waiting = None
        self._alarm.set(None)

    def under_way(self) -> bytes:
        """What was written and has not left yet."""
        return bytes(byte for byte in (self.shifting, self.waiting) if byte is not None)

    def _end_frame(self, tick: int) -> None:
        byte, self.shifting = self.shifting, self.waiting
        if self.shifting is not None:
            self.waiting = None
            self._alarm.set(tick + self._frame_ticks)
        assert byte is not None
        self._ended(byte)


class Receiver:
    """Bytes that the other side sends one after another, while the receiver is on.

    The other side waits until it is: what the host sends early is not lost. `arrived` is called
    with each byte, `idle` when no byte follows within a frame.
    """

    def __init__(
        self,
        events: EventQueue,
        domain: ClockDomain,
        arrived: Callable[[int], None],
        idle: Callable[[], None],
    ) -> None:
        self._domain = domain
        self._arrived, self._idle = arrived, idle
        self._alarm = Alarm(events, domain, self._end_frame)
        self._coming: deque[int] = deque()
        self._frame_ticks = 0  # 0 while off
        self._is_receiving = False

    def feed(self, data: bytes) -> None:
        """Have the other side send these, after what it sends already."""
        self._coming.extend(data)
        self._begin()

    def switch(self, frame_ticks: int) -> None:
        """On, with frames of this length, or off (0), which loses the frame that is under way."""
        if not frame_ticks and self._frame_ticks:
            if self._is_receiving and self._coming:
                self._coming.popleft()
            self._is_receiving = False
            self._alarm.set(None)
        self._frame_ticks = frame_ticks
        self._begin()

    def _begin(self) -> None:
        if self._frame_ticks and self._coming and not self._is_receiving:
            self._is_receiving = True
            self._alarm.set(self._domain.ticks() + self._frame_ticks)

    def _end_frame(self, tick: int) -> None:
        if not self._is_receiving:
            self._idle()
            return
        self._is_receiving = False
        byte = self._coming.popleft()
        # The next start bit, or a frame of silence.
        self._alarm.set(tick + self._frame_ticks)
        self._is_receiving = bool(self._coming)
        self._arrived(byte)
