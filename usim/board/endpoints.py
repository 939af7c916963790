"""Where a serial line ends on the host: a file, a socket on loopback, nowhere."""

from __future__ import annotations

import contextlib
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from usim.errors import ArgumentError, DeviceError

LOOPBACK: Final = "127.0.0.1"
_RECEIVE_BYTES: Final = 4096
# What is kept for who connects later.
_KEPT_BYTES: Final = 1 << 16


class Endpoint(ABC):
    """Takes what a line sends, and may give what it is to receive.

    Life cycle: construct (nothing is sent yet, errors are raised here); write() and read() in any
    order, neither waits; close().
    """

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Take what was sent."""

    def flush(self) -> None:  # noqa: B027 - most keep nothing back
        """Hand on what was kept back."""

    def read(self) -> bytes:
        """What has come from outside; nothing if there is none now."""
        return b""

    def waits_on(self) -> list[int]:
        """File descriptors that become readable when something may come; none if nothing can."""
        return []

    def close(self) -> None:  # noqa: B027
        """Give everything back."""


class Nowhere(Endpoint):
    """Loses what it gets."""

    def write(self, data: bytes) -> None:
        """Lost."""


class FileEndpoint(Endpoint):
    """A file with every byte that was sent. ArgumentError if it can't be written, now or later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._explained():
            self._file = path.open("wb")

    def write(self, data: bytes) -> None:
        """Append."""
        with self._explained():
            self._file.write(data)

    def flush(self) -> None:
        """To the file system."""
        with self._explained():
            self._file.flush()

    def close(self) -> None:
        """Write what is left."""
        with self._explained():
            self._file.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise ArgumentError(f"cannot write {self._path}: {exc.strerror}") from exc


class TcpEndpoint(Endpoint):
    """A socket that one client at a time connects to. Before, the last 64 KiB are kept for it.

    Port 0 takes any that is free: see `port`. DeviceError if the port can't be had.
    """

    def __init__(self, name: str, port: int) -> None:
        try:
            self._listener = socket.create_server((LOOPBACK, port), reuse_port=False)
        except OSError as exc:
            reason = (exc.strerror or str(exc)).partition(" (while")[0].lower()
            raise DeviceError(
                f"cannot listen on {LOOPBACK}:{port} for {name}: {reason}; choose another port "
                "(0: any that is free)",
                port=port,
            ) from exc
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._client: socket.socket | None = None
        self._unsent = bytearray()

    def write(self, data: bytes) -> None:
        """Send, or keep until that is possible."""
        self._unsent += data
        if self._client is None:
            del self._unsent[:-_KEPT_BYTES]

    def flush(self) -> None:
        """Send as much as goes without waiting."""
        self._accept()
        if self._client is None or not self._unsent:
            return
        try:
            sent = self._client.send(self._unsent)
            del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop()

    def read(self) -> bytes:
        """What the client has sent."""
        self._accept()
        if self._client is None:
            return b""
        try:
            data = self._client.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop()
        return data

    def waits_on(self) -> list[int]:
        """The client, or who may become one."""
        return [(self._client or self._listener).fileno()]

    def close(self) -> None:
        """Send what is left, if the client takes it, and hang up."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.settimeout(1)
                self._client.sendall(self._unsent)
        self._drop()
        self._listener.close()

    def _accept(self) -> None:
        if self._client is None:
            with contextlib.suppress(BlockingIOError):
                self._client, _ = self._listener.accept()
                self._client.setblocking(False)
                self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
            self._unsent.clear()


class StandardInput(Endpoint):
    """Reads the command's own standard input; what it is sent goes on to `show`."""

    def __init__(self, file_descriptor: int | None, show: Callable[[bytes], None]) -> None:
        self._fd = file_descriptor
        self._show = show

    def write(self, data: bytes) -> None:
        """Show it."""
        self._show(data)

    def read(self) -> bytes:
        """What was typed or piped so far; waits_on() says when there is some."""
        if self._fd is None:
            return b""
        data = os.read(self._fd, _RECEIVE_BYTES)
        if not data:
            self._fd = None
        return data

    def waits_on(self) -> list[int]:
        """Standard input, until its end."""
        return [] if self._fd is None else [self._fd]
