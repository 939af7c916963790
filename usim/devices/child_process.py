"""Starts a program that serves a socket of ours, and sees to it that it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO, Final

from usim.errors import DeviceError

# Ends the program and waits for it when the pipe on standard input closes: at close(), or when this
# process dies of whatever (prctl's PDEATHSIG would do so when the thread ends that opened the
# device). The shell's standard output is the socket: {0} says as what the program, and nobody
# else, inherits it.
_GUARDIAN: Final = '"$@" {0} & exec >&-; read -r _; kill -9 $! 2>/dev/null; wait $!'
_END_TIMEOUT_S: Final = 10.0
_SHOWN_LINES: Final = 3


class ChildProcess:
    """A running program. `link` is the socket that it serves.

    `name` is what messages call it; `redirections` how it gets the socket, which is descriptor 1 of
    the shell that starts it, for instance "</dev/null 3>&1 >&2".
    """

    def __init__(self, name: str, command: Sequence[str], redirections: str) -> None:
        self._name = name
        self._log: IO[bytes] = tempfile.TemporaryFile(prefix="usim-log-")  # noqa: SIM115
        fcntl.fcntl(self._log, fcntl.F_SETFL, os.O_APPEND)
        self.link, its_end = socket.socketpair()
        lease, self._lease = os.pipe()
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _GUARDIAN.format(redirections), "sh", *command],
                stdin=lease,
                stdout=its_end.fileno(),
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is for us to answer
            )
        except OSError as exc:
            self._give_back()
            raise DeviceError(f"{command[0]} cannot be started: {exc.strerror}") from exc
        finally:
            its_end.close()
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

    def forget_words(self) -> None:
        """What it wrote until now is no news, and takes no room any more."""
        self._log.truncate(0)

    def last_words(self) -> str:
        """What it wrote to stderr, warnings left out. Call it before end()."""
        log = self._log.fileno()
        words = os.pread(log, os.fstat(log).st_size, 0)
        lines = words.decode("utf-8", errors="replace").splitlines()
        return "\n".join(line for line in lines if line.strip() and "warning:" not in line)

    def obituary(self) -> str:
        """One line for an error: that it ended, and what it said."""
        words = [line for line in self.last_words().splitlines() if not line.startswith("Killed")]
        said = "; ".join(words[:_SHOWN_LINES]) or "it wrote nothing to stderr"
        return f"{self._name} ended unexpectedly: {said}"

    def _give_back(self) -> None:
        if self._lease >= 0:
            os.close(self._lease)
            self._lease = -1
        self.link.close()
        self._log.close()
