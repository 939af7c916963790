"""Shows what several serial lines send on one stream."""

from __future__ import annotations

from typing import BinaryIO


class Terminal:
    """The line that sends first is shown as it is, byte by byte.

    Whole lines of any other one are shown in between, with its name before them.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._first = ""
        self._at_line_start = True
        self._parts: dict[str, bytearray] = {}

    def show(self, name: str, data: bytes) -> None:
        """Take what a line has sent."""
        if not data:
            return
        self._first = self._first or name
        if name == self._first:
            self._write(data)
            return
        part = self._parts.setdefault(name, bytearray())
        part += data
        while (end := part.find(b"\n")) >= 0:
            self._show_line(name, bytes(part[: end + 1]))
            del part[: end + 1]

    def flush(self) -> None:
        """Let it be seen."""
        self._stream.flush()

    def finish(self) -> None:
        """Show what was begun, and end on a line's start."""
        for name, part in self._parts.items():
            if part:
                self._show_line(name, bytes(part))
        self._parts.clear()
        self._start_line()
        self.flush()

    def _show_line(self, name: str, line: bytes) -> None:
        self._start_line()
        self._write(f"{name}: ".encode() + line)

    def _start_line(self) -> None:
        if not self._at_line_start:
            self._write(b"\n")

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._at_line_start = data.endswith(b"\n")
        if self._at_line_start:
            self.flush()
