"""gdb's packets that set and clear breakpoints and watchpoints.

Source: the gdb manual, E.2 Packets (Z, z). All of them are the emulator's own: code is not patched,
so that flash can hold as many breakpoints as RAM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from usim.errors import DeviceError
from usim.probe.chip import EmulatedChip
from usim.probe.gdb_fields import (
    NO_ROOM,
    OK,
    UNKNOWN,
    Commands,
    RefusedError,
    parse_address,
    parse_range,
)
from usim.timing.counter import Watched, Watchpoint

# By the kind in a packet: what a stop reply calls it.
_BREAKPOINTS: Final = {b"0": b"swbreak", b"1": b"hwbreak"}
_WATCHPOINTS: Final = {b"2": b"watch", b"3": b"rwatch", b"4": b"awatch"}
_ACCESSES: Final = {
    b"2": Watched.WRITES,
    b"3": Watched.READS,
    b"4": Watched.READS | Watched.WRITES,
}


@dataclass(frozen=True, slots=True)
class _Point:
    kind: bytes
    address: int
    size_bytes: int


class Breakpoints:
    """What one client has set."""

    def __init__(self, chip: EmulatedChip, debugger: str) -> None:
        self._chip = chip
        self._debugger = debugger
        self._set: frozenset[_Point] = frozenset()
        self.commands: Commands = {b"Z": self._insert, b"z": self._remove}

    def breakpoint_at(self, address: int) -> bytes:
        """What a stop reply says of a breakpoint there: swbreak, hwbreak, or nothing."""
        return self._find(_BREAKPOINTS, address)

    def watchpoint_at(self, address: int) -> bytes:
        """What a stop reply says of a watchpoint of that address: its kind, or nothing."""
        return self._find(_WATCHPOINTS, address)

    def _find(self, names: dict[bytes, bytes], address: int) -> bytes:
        kinds = {point.kind for point in self._set if point.address == address}
        return next((name for kind, name in names.items() if kind in kinds), b"")

    def _insert(self, text: bytes) -> bytes:
        return self._place(text, lambda point: self._set | {point})

    def _remove(self, text: bytes) -> bytes:
        return self._place(text, lambda point: self._set - {point})

    def _place(self, text: bytes, change: Callable[[_Point], frozenset[_Point]]) -> bytes:
        point = _parse(text)
        if point is None:
            return UNKNOWN
        points = change(point)
        try:
            if point.kind in _BREAKPOINTS:
                self._chip.set_breakpoints(
                    self._debugger, [item.address for item in points if item.kind in _BREAKPOINTS]
                )
            else:
                self._chip.watchpoints.replace(
                    self._debugger,
                    [
                        Watchpoint(item.address, item.size_bytes, _ACCESSES[item.kind])
                        for item in points
                        if item.kind in _WATCHPOINTS
                    ],
                )
        except DeviceError as exc:
            raise RefusedError(str(exc), NO_ROOM) from exc
        self._set = points
        return OK


def _parse(text: bytes) -> _Point | None:
    """ "kind,address,size": None for a kind that there is not."""
    kind, _, rest = text.partition(b",")
    address, _, size = rest.partition(b",")
    if kind in _BREAKPOINTS:  # the size is that of an instruction
        return _Point(kind, parse_address(address) & ~1, 0)
    if kind not in _WATCHPOINTS:
        return None
    start, size_bytes = parse_range(address + b"," + size)
    if not size_bytes:
        raise RefusedError("a watchpoint has at least a byte")
    return _Point(kind, start, size_bytes)
