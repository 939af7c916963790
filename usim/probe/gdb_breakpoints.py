"""gdb's packets that set and clear breakpoints.

Source: the gdb manual, E.2 Packets (Z, z). Both kinds are the emulator's own: code is not patched,
so that flash can hold as many as RAM.
"""

from __future__ import annotations

from typing import Final

from usim.errors import DeviceError
from usim.probe.chip import EmulatedChip
from usim.probe.gdb_fields import NO_ROOM, OK, UNKNOWN, Commands, RefusedError, parse_address

_SOFTWARE: Final = b"0"
_HARDWARE: Final = b"1"


class Breakpoints:
    """What one client has set, by kind and address."""

    def __init__(self, chip: EmulatedChip, debugger: str) -> None:
        self._chip = chip
        self._debugger = debugger
        self._set: set[tuple[bytes, int]] = set()
        self.commands: Commands = {b"Z": self._insert, b"z": self._remove}

    def reason_at(self, address: int) -> bytes:
        """What a stop reply says of a breakpoint there: swbreak, hwbreak, or nothing."""
        if (_HARDWARE, address) in self._set:
            return b"hwbreak"
        return b"swbreak" if (_SOFTWARE, address) in self._set else b""

    def _insert(self, text: bytes) -> bytes:
        point = _parse(text)
        if point is None:
            return UNKNOWN
        try:
            self._place(self._set | {point})
        except DeviceError as exc:
            raise RefusedError(str(exc), NO_ROOM) from exc
        return OK

    def _remove(self, text: bytes) -> bytes:
        point = _parse(text)
        if point is None:
            return UNKNOWN
        self._place(self._set - {point})
        return OK

    def _place(self, points: set[tuple[bytes, int]]) -> None:
        self._chip.set_breakpoints(self._debugger, (address for _, address in points))
        self._set = points


def _parse(text: bytes) -> tuple[bytes, int] | None:
    """ "kind,address,size": kind and address; None for a kind that there is not."""
    kind, _, rest = text.partition(b",")
    if kind not in (_SOFTWARE, _HARDWARE):
        return None
    return kind, parse_address(rest.partition(b",")[0]) & ~1
