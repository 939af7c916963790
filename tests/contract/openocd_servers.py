"""OpenOCDs on virtual probes that stay while tests attach to them and leave again."""

from __future__ import annotations

import contextlib
import re
import subprocess
from threading import Thread
from types import TracebackType

from usim.devices import Timing
from usim.devices.openocd.server import arguments_for_probe
from usim.platforms import Platform

_LISTENING = re.compile(r"Listening on port (\d+) for tcl connections")
_PORTS = "bindto 127.0.0.1; gdb_port disabled; telnet_port disabled; tcl_port 0"


class OpenOcds(contextlib.ExitStack):
    """One for each platform, started when it is asked for; all end with the context."""

    def __init__(self) -> None:
        super().__init__()
        self._addresses: dict[str, str] = {}

    def address_for(self, platform: Platform) -> str:
        """HOST:PORT of the Tcl port."""
        if platform.name not in self._addresses:
            self._addresses[platform.name] = self.enter_context(serve(platform))
        return self._addresses[platform.name]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._addresses.clear()
        return super().__exit__(kind, exc, traceback)


@contextlib.contextmanager
def serve(platform: Platform, timing: Timing = "count"):
    """A person's OpenOCD, connected to a chip; yields the HOST:PORT of its Tcl port."""
    from usim.probe import VirtualProbe  # noqa: PLC0415

    with VirtualProbe(platform, timing=timing) as probe:
        command = ["openocd", "-c", _PORTS, *arguments_for_probe(probe.port)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                port = next(filter(None, map(_LISTENING.search, process.stderr)))[1]
                # What it goes on to say must not fill the pipe.
                Thread(target=process.stderr.read, daemon=True).start()
                yield f"127.0.0.1:{port}"
            finally:
                process.kill()
