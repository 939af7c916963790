"""Starts qemu-system-arm with a gdb stub on a socket of ours, and sees to it that it ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from typing import IO, Final

from usim.errors import DeviceError

COMMAND: Final = "qemu-system-arm"
HOW_TO_GET: Final = "Debian and Ubuntu: apt install qemu-system-arm; macOS: brew install qemu"
_OPTIONS: Final = ("-nodefaults", "-no-user-config", "-display", "none", "-S")
# Ends QEMU and waits for it when the pipe on standard input closes: at close(), or when this
# process dies of whatever (prctl's PDEATHSIG would do so when the thread ends that opened the
# device). The stub's socket is the shell's standard output, QEMU's descriptor 3 and nobody else's.
_STUB: Final = ("-chardev", "socket,id=gdb,fd=3", "-gdb", "chardev:gdb")
_GUARDIAN: Final = '"$@" </dev/null 3>&1 >&2 & exec >&-; read -r _; kill -9 $! 2>/dev/null; wait $!'
_END_TIMEOUT_S: Final = 10.0
_SHOWN_LINES: Final = 3


class QemuProcess:
    """A running QEMU. `link` is the socket that its gdb stub serves."""

    def __init__(self, *options: str) -> None:
        path = shutil.which(COMMAND)
        if path is None:
            raise DeviceError(f"{COMMAND} is not on the PATH; {HOW_TO_GET}")
        self._log: IO[bytes] = tempfile.TemporaryFile(prefix="usim-qemu-")  # noqa: SIM115
        self.link, stub_end = socket.socketpair()
        lease, self._lease = os.pipe()
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _GUARDIAN, "sh", path, *_OPTIONS, *_STUB, *options],
                stdin=lease,
                stdout=stub_end.fileno(),
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is for us to answer
            )
        except OSError as exc:
            self._give_back()
            raise DeviceError(f"{path} cannot be started: {exc.strerror}") from exc
        finally:
            stub_end.close()
            os.close(lease)

    def end(self) -> None:
        """Kill it if it still runs, and give back what it took."""
        self.wait()
        self._give_back()

    def wait(self) -> None:
        """Have it killed if it still runs, and wait for that."""
        if self._lease >= 0:
            os.close(self._lease)
            self._lease = -1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._shell.wait(_END_TIMEOUT_S)

    def last_words(self) -> str:
        """What it wrote to stderr, warnings left out. Call it before end()."""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", errors="replace").splitlines()
        return "\n".join(line for line in lines if line.strip() and "warning:" not in line)

    def obituary(self) -> str:
        """One line for an error: that it ended, and what it said."""
        words = [line for line in self.last_words().splitlines() if not line.startswith("Killed")]
        said = "; ".join(words[:_SHOWN_LINES]) or "it wrote nothing to stderr"
        return f"{COMMAND} ended unexpectedly: {said}"

    def _give_back(self) -> None:
        if self._lease >= 0:
            os.close(self._lease)
            self._lease = -1
        self.link.close()
        self._log.close()
