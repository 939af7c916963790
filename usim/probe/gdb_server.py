"""gdb's port of a served chip."""

from __future__ import annotations

from typing import Final

from usim.devices.gdb_packets import frame
from usim.probe.gdb_session import GdbSession
from usim.probe.server import ChipServer

# gdb shows this as a warning: it is an answer to its first packet.
_BUSY: Final = frame(b"E.another gdb debugs this chip")


def listen_for_gdb(server: ChipServer, address: tuple[str, int]) -> int:
    """Serve one gdb at a time on (host, port), port 0 for any that is free; returns the port.

    DeviceError if the port can't be had.
    """
    return server.listen("gdb", address, lambda: GdbSession(server.chip), _BUSY)
