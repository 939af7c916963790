"""OpenOCD's remote_bitbang protocol: a character for each change of a JTAG pin.

"0" to "7" set TCK, TMS, TDI (bits 2, 1, 0); "R" asks for TDO, answered by "0" or "1"; "r" to "u"
set TRST and SRST (bits 1, 0); "B" and "b" are a lamp; "Q" ends the session. (OpenOCD's manual,
doc/manual/jtag/drivers/remote_bitbang.txt.)

Nearly all of a session is scans, with two or three characters a bit, so scans are found by a
regular expression and shifted in one piece.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from usim.probe.jtag import ACTIVE, NEXT, TapChain
from usim.probe.server import Connection

# Ticks (TCK low, perhaps a sample, TCK high) that shift: TMS low, and high in the last one.
_SHIFTS: Final = re.compile(rb"(?:[01]R?[45])*(?:[23]R?[67])?")
# TCK high as it was set: the bit on TDI.
_TDI_BITS: Final = bytes.maketrans(b"4567", b"0101")
_LOW_AND_SAMPLES: Final = b"0123R"
_LOW: Final = frozenset(b"0123")
_HIGH: Final = frozenset(b"4567")
_DIGITS: Final = (b"0", b"1")


class RemoteBitbang(Connection):
    """A session of one OpenOCD with a chain."""

    def __init__(self, chain: TapChain, system_reset: Callable[[bool], None]) -> None:
        """`system_reset` is told the level of SRST when it changes: True is asserted."""
        self._chain = chain
        self._system_reset = system_reset
        self._tck = 0
        self._tdo = 1
        self._srst = False
        self.ended = False

    def receive(self, data: bytes) -> bytes:
        """Do what the characters say; returns the answers."""
        chain = self._chain
        answers: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.ended:
            if chain.shifting:
                scan = _SHIFTS.match(data, at)
                if scan is not None and scan.end() > at:
                    answers.append(self._scan(scan.group()))
                    at = scan.end()
                    continue
            else:
                at = self._walk(data, at)
                if at == end or chain.shifting:
                    continue
            answers.append(self._obey(data[at]))
            at += 1
        return b"".join(answers)

    def _walk(self, data: bytes, at: int) -> int:
        """Move on by whole ticks without a sample, to a shift state or another character.

        Returns the position of what comes then.
        """
        chain = self._chain
        state = chain.state
        last = len(data) - 1
        while at < last and data[at] in _LOW and data[at + 1] in _HIGH:
            state = NEXT[state][data[at + 1] >> 1 & 1]
            at += 2
            self._tck = self._tdo = 1
            if state in ACTIVE:
                chain.enter(state)
                if chain.shifting:
                    return at
        chain.state = state
        return at

    def _scan(self, ticks: bytes) -> bytes:
        highs = ticks.translate(_TDI_BITS, _LOW_AND_SAMPLES)
        count = len(highs)
        out = self._chain.shift(count, int(highs[::-1], 2))
        self._tck, self._tdo = 1, out >> (count - 1) & 1
        if ticks[-1] >= 0x36:  # "6" or "7"
            self._chain.move(1)
        samples = len(ticks) - 2 * count
        if not samples:
            return b""
        bits = f"{out:0{count}b}"[::-1].encode()
        return bits if samples == count else self._sampled(ticks, bits)

    @staticmethod
    def _sampled(ticks: bytes, bits: bytes) -> bytes:
        """Of `bits` those at which there is a sample."""
        answers = bytearray()
        tick = 0
        for character in ticks:
            if character == 0x52:  # "R", before the tick's high
                answers.append(bits[tick])
            elif character >= 0x34:
                tick += 1
        return bytes(answers)

    def _obey(self, character: int) -> bytes:
        if 0x30 <= character <= 0x37:
            tck = character >> 2 & 1
            if tck > self._tck:
                self._chain.tick(character >> 1 & 1, character & 1)
            elif tck < self._tck:
                self._tdo = self._chain.tdo  # TDO changes at the falling edge
            self._tck = tck
        elif character == 0x52:  # "R"
            return _DIGITS[self._tdo]
        elif 0x72 <= character <= 0x75:  # "r" to "u"
            self._set_resets(trst=character in b"tu", srst=character in b"su")
        elif character == 0x51:  # "Q"
            self.ended = True
        return b""

    def _set_resets(self, *, trst: bool, srst: bool) -> None:
        if trst:
            self._chain.reset()
        if srst != self._srst:
            self._srst = srst
            self._system_reset(srst)
