"""Waiting for a text on serial lines, to the very byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from usim.board.serial_line import Moment, SerialLine


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: the text or the whole line, on which line, and when it was over."""

    text: bytes
    line: SerialLine
    moment: Moment


class Wait:
    """One text, or a whole line with the text in it, on any of some lines."""

    def __init__(self, lines: Sequence[SerialLine], text: bytes, *, whole_line: bool) -> None:
        self._lines = lines
        self._text = text
        self._whole_line = whole_line

    def find(self) -> Found | None:
        """What is there behind what was found before; it counts as found then."""
        for line in self._lines:
            search = line.find_line if self._whole_line else line.find_text
            found = search(self._text)
            if found is not None:
                return Found(found[0], line, found[1])
        return None

    @contextmanager
    def calling(self, action: Callable[[], None]) -> Iterator[None]:
        """Have `action` called at each byte that may be the last one of what is waited for."""
        listeners = []
        for line in self._lines:

            def listen(_: int, line: SerialLine = line) -> None:
                if line.data.endswith(b"\n" if self._whole_line else self._text):
                    action()

            line.listeners.append(listen)
            listeners.append((line, listen))
        try:
            yield
        finally:
            for line, listen in listeners:
                line.listeners.remove(listen)

    def last_seen(self, most_bytes: int) -> str:
        """The end of what came instead, line by line."""
        seen = [(line.name, line.unread[-most_bytes:]) for line in self._lines if line.unread]
        return "; ".join(f"{name} {data.decode('utf-8', 'replace')!r}" for name, data in seen)
