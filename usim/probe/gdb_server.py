"""gdb's port of a served chip."""

from __future__ import annotations

from typing import Final

from usim.devices.gdb_packets import PacketReader, frame
from usim.probe.gdb_session import GdbSession
from usim.probe.server import ChipServer, Connection

# As the answer to the first packet of a gdb, this is shown as a warning.
_BUSY: Final = b"E.another gdb debugs this chip"


def listen_for_gdb(server: ChipServer, address: tuple[str, int]) -> int:
    """Serve one gdb at a time on (host, port), port 0 for any that is free; returns the port.

    DeviceError if the port can't be had.
    """
    return server.listen("gdb", address, lambda: GdbSession(server.chip), _Busy)


class _Busy(Connection):
    """A second gdb, which throws away what comes before its first packet."""

    def __init__(self) -> None:
        self._reader = PacketReader()

    def receive(self, data: bytes) -> bytes:
        """Say why, and end."""
        self._reader.feed(data)
        if self._reader.next_packet() is None:
            return b""
        self.ended = True
        return b"+" + frame(_BUSY)
