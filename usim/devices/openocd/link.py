"""Commands to a running OpenOCD and their results, over its Tcl interface.

Source: OpenOCD User's Guide 0.12, chapter Tcl Scripting API: a command and its result each end with
the byte 0x1a. A result doesn't tell whether the command failed, so each runs inside a procedure of
ours that does.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Final

from usim.errors import DeviceError

_END: Final = b"\x1a"
_SEPARATOR: Final = "\x1f"
_CHUNK_BYTES: Final = 1 << 16
_TIMEOUT_S: Final = 20.0
_OK: Final = "0"
# `capture` gives what was logged in place of the result, so the result goes by way of a variable.
_PROCEDURE: Final = r"""
proc usim_call {script} {
    set value {}
    set code [catch {capture {set value [uplevel #0 $script]}} text]
    if {$code == 0 && $text eq $value} { set text {} }
    return "$code\x1f$value\x1f$text"
}
proc usim_wait {address mask milliseconds} {
    set end [expr {[ms] + $milliseconds}]
    set pause 1
    while 1 {
        set value [read_memory $address 32 1]
        if {($value & $mask) != 0 || [ms] >= $end} { return $value }
        sleep $pause
        if {$pause < 16} { incr pause $pause }
    }
}
"""


class LinkClosedError(DeviceError):
    """OpenOCD is gone."""


class CommandError(DeviceError):
    """OpenOCD could not do what a command asked. Attributes: script, text (what it said)."""

    script: str
    text: str


class TclLink:
    """A connected socket at whose other end OpenOCD evaluates commands. `name` is for messages."""

    def __init__(self, connection: socket.socket, name: str) -> None:
        self._connection = connection
        self._name = name
        self._received = b""
        # Results that nobody waited for, because of a time-out or a KeyboardInterrupt.
        self._unread = 0
        # What OpenOCD logged while it ran the last command.
        self.said = ""

    def start(self, timeout_s: float = _TIMEOUT_S) -> None:
        """Define our procedures. Once, before anything else."""
        self._exchange(_PROCEDURE, timeout_s)

    def ask(self, script: str, timeout_s: float = _TIMEOUT_S) -> str:
        """Evaluate a script and return its result.

        CommandError if it fails; LinkClosedError if OpenOCD is gone; DeviceError if there is no
        answer within `timeout_s`.
        """
        reply = self._exchange(f"usim_call {{{script}}}", timeout_s)
        code, _, rest = reply.partition(_SEPARATOR)
        value, _, self.said = rest.partition(_SEPARATOR)
        if code != _OK:
            self.said = self.said or reply
            raise CommandError(f"OpenOCD: {self.said.strip()}", script=script, text=self.said)
        return value

    def close(self, farewell: str = "") -> None:
        """Close the socket, after a last command that needs no answer."""
        with contextlib.suppress(OSError, DeviceError):
            if farewell:
                self._exchange(farewell, 1.0)
        with contextlib.suppress(OSError):
            self._connection.close()

    def _exchange(self, script: str, timeout_s: float) -> str:
        deadline = time.monotonic() + timeout_s
        while self._unread:
            self._receive(deadline, script)
        self._unread += 1
        try:
            self._connection.settimeout(timeout_s)
            self._connection.sendall(script.encode() + _END)
        except TimeoutError as exc:
            raise self._silent(script) from exc
        except OSError as exc:
            raise LinkClosedError(f"{self._name} is gone: {exc.strerror}") from exc
        return self._receive(deadline, script)

    def _receive(self, deadline: float, script: str) -> str:
        while _END not in self._received:
            self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._connection.recv(_CHUNK_BYTES)
            except TimeoutError as exc:
                raise self._silent(script) from exc
            except OSError as exc:
                raise LinkClosedError(f"{self._name} is gone: {exc.strerror}") from exc
            if not data:
                raise LinkClosedError(f"{self._name} is gone: it closed the connection")
            self._received += data
        reply, _, self._received = self._received.partition(_END)
        self._unread -= 1
        return reply.decode("utf-8", errors="replace")

    def _silent(self, script: str) -> DeviceError:
        command = " ".join(script.split())[:60]
        return DeviceError(
            f"{self._name} has not answered in time ({command}); is the probe stuck?"
        )


def word(text: str) -> str:
    """A text as one word of Tcl, whatever is in it."""
    return "".join(c if c.isalnum() or c in "/._-" else f"\\{c}" for c in text)


def connect(host: str, port: int, timeout_s: float = _TIMEOUT_S) -> TclLink:
    """A link to an OpenOCD that runs already. DeviceError if nothing answers there."""
    where = f"OpenOCD at {host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout_s)
    except OSError as exc:
        raise DeviceError(
            f"no {where}: {exc.strerror or exc}; its Tcl port is 6666 unless its configuration "
            f"says otherwise (`tcl_port`)"
        ) from exc
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return TclLink(connection, where)
