"""Packets of the gdb remote serial protocol: checksum, escapes, run lengths.

Source: the gdb manual, E.1 Overview. "$data#checksum"; '}' announces a byte XORed with 0x20, and
"x*n" stands for x and ord(n) - 29 more of it.
"""

from __future__ import annotations

from typing import Final

_START: Final = ord("$")
_END: Final = ord("#")
_ESCAPE: Final = ord("}")
_REPEAT: Final = ord("*")
_FLIP: Final = 0x20
_REPEAT_BIAS: Final = 29
# Between packets: Ctrl-C, and "send that again" (E.1, E.9).
_INTERRUPT: Final = 0x03
_REJECTED: Final = ord("-")
_SPECIAL: Final = frozenset(b"$#}*")


def frame(data: bytes) -> bytes:
    """A packet with `data`, which is escaped already where it has to be."""
    return b"$%s#%02x" % (data, sum(data) & 0xFF)


def escape(data: bytes) -> bytes:
    """Make binary data fit for a packet."""
    if not _SPECIAL.intersection(data):
        return data
    escaped = bytearray()
    for byte in data:
        if byte in _SPECIAL:
            escaped += bytes((_ESCAPE, byte ^ _FLIP))
        else:
            escaped.append(byte)
    return bytes(escaped)


def longest_that_fits(data: bytes | memoryview, limit: int) -> bytes:
    """The start of `data` that takes at most `limit` bytes once escaped, and nearly as many."""
    piece = bytes(data[:limit])
    while (excess := len(piece) + sum(map(piece.count, _SPECIAL)) - limit) > 0:
        piece = piece[: len(piece) - (excess + 1) // 2]
    return piece


def unpack(content: bytes) -> bytes:
    """Undo escapes and run lengths of a packet's content."""
    if _ESCAPE not in content and _REPEAT not in content:
        return content
    data = bytearray()
    source = iter(content)
    for byte in source:
        if byte == _ESCAPE:
            data.append(next(source, _FLIP) ^ _FLIP)
        elif byte == _REPEAT and data:
            data += data[-1:] * max(0, next(source, _REPEAT_BIAS) - _REPEAT_BIAS)
        else:
            data.append(byte)
    return bytes(data)


class PacketReader:
    """Takes bytes as they come, gives packets. What is longer than `longest` is damaged."""

    def __init__(self, longest: int = 1 << 20) -> None:
        self._pending = bytearray()
        self._longest = longest
        self._damaged = self._interrupted = self._rejected = False

    def feed(self, data: bytes) -> None:
        """Bytes that arrived."""
        self._pending += data

    def next_packet(self) -> bytes | None:
        """The next whole packet's content; None if there is none yet, or it was damaged."""
        start = self._pending.find(_START)
        self._note(self._pending if start < 0 else self._pending[:start])
        if start < 0:
            self._pending.clear()  # acknowledgements, or noise
            return None
        end = self._pending.find(_END, start)
        if end < 0 or len(self._pending) < end + 3:
            del self._pending[:start]
            if len(self._pending) > self._longest:
                self._pending.clear()
                self._damaged = True
            return None
        content = bytes(self._pending[start + 1 : end])
        checksum = bytes(self._pending[end + 1 : end + 3])
        del self._pending[: end + 3]
        if checksum.lower() != b"%02x" % (sum(content) & 0xFF) or len(content) > self._longest:
            self._damaged = True
            return None
        return unpack(content)

    def take_damaged(self) -> bool:
        """Whether a packet with a wrong checksum came since the last time."""
        damaged, self._damaged = self._damaged, False
        return damaged

    def take_interrupt(self) -> bool:
        """Whether Ctrl-C came, between packets, since the last time."""
        interrupted, self._interrupted = self._interrupted, False
        return interrupted

    def take_rejected(self) -> bool:
        """Whether the other side wants the last packet again since the last time."""
        rejected, self._rejected = self._rejected, False
        return rejected

    def _note(self, between: bytearray) -> None:
        self._interrupted |= _INTERRUPT in between
        self._rejected |= _REJECTED in between
