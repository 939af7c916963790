"""What a firmware has sent on a line (a USART, the semihosting console), with times."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

SEMIHOSTING = "semihosting"


@dataclass(frozen=True, slots=True)
class Said:
    """A text or a line that a firmware has sent, up to its last byte's end.

    `text` has no line end; bytes that are no UTF-8 are replaced. `cycle` is the core's cycle when
    the last byte had left, `at_s` the chip's time.
    """

    text: str
    line: str
    cycle: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """When a byte had left: the core's cycle, and the chip's time."""

    cycle: int
    at_s: float


class Clock(Protocol):
    """What knows how late it is."""

    @property
    def now(self) -> int: ...

    def seconds(self) -> float: ...


class SerialLine:
    """One line: all that was sent on it, and how far it was waited for."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.data = bytearray()
        self.listeners: list[Callable[[int], None]] = []
        self._clock = clock
        # When each byte had left.
        self._cycles = array("Q")
        self._seconds = array("d")
        # Behind what was found last: the next search starts here.
        self._cursor = 0

    def add(self, byte: int) -> None:
        """A byte has left."""
        self.data.append(byte)
        self._cycles.append(self._clock.now)
        self._seconds.append(self._clock.seconds())
        for listener in self.listeners:
            listener(byte)

    def find_text(self, text: bytes) -> tuple[bytes, Moment] | None:
        """The text and when its last byte had left, if it was sent behind what was found last."""
        at = self.data.find(text, self._cursor)
        return None if at < 0 else self._take(at, at + len(text))

    def find_line(self, text: bytes) -> tuple[bytes, Moment] | None:
        """The first whole line with `text` in it, and when its last byte had left."""
        start = self._cursor
        while (end := self.data.find(b"\n", start)) >= 0:
            if text in self.data[start:end]:
                return self._take(start, end + 1)
            start = end + 1
        return None

    def _take(self, start: int, end: int) -> tuple[bytes, Moment]:
        self._cursor = end
        return bytes(self.data[start:end]), Moment(self._cycles[end - 1], self._seconds[end - 1])

    @property
    def unread(self) -> bytes:
        """What was sent behind what was found last."""
        return bytes(self.data[self._cursor :])
