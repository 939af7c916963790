"""An emulated chip in a process of its own, that OpenOCD reaches as if by a JTAG probe."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
from typing import IO, Final

from usim.devices.base import Timing
from usim.errors import DeviceError
from usim.platforms import Platform

# What the child writes before the port's number, once it listens.
READY: Final = "port "
_START_TIMEOUT_S: Final = 30.0
_END_TIMEOUT_S: Final = 10.0


class VirtualProbe:
    """A probe with an emulated chip at its end, serving remote_bitbang on loopback.

    Life cycle:
    1. construct with a Platform: nothing is started;
    2. open(), or `with`: the chip runs in a child process and `port` is listened on;
    3. close(): the child has ended. It also ends when this process dies of whatever.
    """

    def __init__(self, platform: Platform, timing: Timing = "count") -> None:
        self.platform = platform
        self.timing = timing
        # What the probe listens on, at 127.0.0.1; 0 while it is closed.
        self.port = 0
        self._child: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> VirtualProbe:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process_id(self) -> int:
        """Of the child; 0 while it is closed."""
        return self._child.pid if self._child is not None else 0

    @property
    def alive(self) -> bool:
        """Whether the chip is there."""
        return self._child is not None and self._child.poll() is None

    def open(self) -> None:
        """Start the child; DeviceError if it does not come up."""
        self.close()
        self._log = tempfile.TemporaryFile(prefix="usim-probe-")  # noqa: SIM115
        self._child = subprocess.Popen(
            [sys.executable, "-m", "usim.probe.child", str(self.platform.folder), self.timing],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process to answer
        )
        said = self._first_line(self._child)
        if not said.startswith(READY):
            words = self.last_words()
            self.close()
            raise DeviceError(f"the virtual probe did not start: {words or 'it said nothing'}")
        self.port = int(said.removeprefix(READY))

    def close(self) -> None:
        """End the child. Calling it twice, or without open(), is fine."""
        child, self._child, self.port = self._child, None, 0
        if child is not None:
            assert child.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()  # which the child watches
            try:
                child.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if self._log is not None:
            self._log.close()
            self._log = None

    def last_words(self) -> str:
        """The last line that the child wrote to stderr, for an error's message; may be empty."""
        if self._log is None:
            return ""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    @staticmethod
    def _first_line(child: subprocess.Popen[str]) -> str:
        """What the child says when it is ready; "" if it ends before, or is killed for taking long.

        Nothing else is written there, and nobody reads it any more.
        """
        assert child.stdout is not None
        alarm = threading.Timer(_START_TIMEOUT_S, child.kill)
        alarm.start()
        try:
            with child.stdout:
                return child.stdout.readline()
        finally:
            alarm.cancel()
