"""The event loop that serves an emulated chip: sockets, and slices of the program between requests.

One thread does everything, so that a debugger never sees a chip in the middle of an instruction.
"""

from __future__ import annotations

import logging
import selectors
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from usim.errors import DeviceError
from usim.probe.chip import EmulatedChip

_LOG = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
_RECEIVE_BYTES: Final = 1 << 16
# A slice of the program grows while nobody asks for anything: the first ones are short, so that a
# debugger who talks to a running chip gets its answers soon; the longest take some 10 ms.
_SHORTEST_SLICE: Final = 10_000
_LONGEST_SLICE: Final = 2_000_000
# A debugger that got an answer usually asks again within this time. To wait for it without giving
# up the processor doubles the speed of JTAG, where each word is a request.
_LINGER_S: Final = 100e-6
# After so many requests others get their turn.
_ROUNDS: Final = 64


class Connection(ABC):
    """One client's session with the chip."""

    # Set by the connection when the session is over.
    ended: bool = False

    @abstractmethod
    def receive(self, data: bytes) -> bytes:
        """Serve what the client sent; returns what it gets."""

    def poll(self) -> bytes:
        """What the client gets unasked: called after each slice and each request of any client."""
        return b""

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """The client has gone, or the server ends."""


class Refusal(Connection):
    """What a second client at a time gets: the end, as soon as it asks for something."""

    def receive(self, data: bytes) -> bytes:
        """Nothing is served."""
        self.ended = True
        return b""


@dataclass(slots=True)
class _Port:
    """A listening socket; one client at a time is served."""

    name: str
    socket: socket.socket
    connect: Callable[[], Connection]
    refuse: Callable[[], Connection]
    client: _Client | None = None


@dataclass(slots=True, eq=False)
class _Client:
    port: _Port
    socket: socket.socket
    connection: Connection
    unsent: bytes = b""


class ChipServer:
    """Serves one open chip to debuggers on several ports.

    Life cycle: listen() for each port; run() until stop() is called (from a callback of the loop,
    from a signal handler) or a watched file ends; close().
    """

    def __init__(self, chip: EmulatedChip) -> None:
        self.chip = chip
        self._selector = selectors.DefaultSelector()
        self._ports: list[_Port] = []
        self._clients: list[_Client] = []
        self._stopping = False
        self._slice = _SHORTEST_SLICE
        # Called after each slice of the program, and every `patience_s` while none runs.
        self.after_slice: Callable[[], None] = lambda: None
        self.patience_s: float | None = None
        # stop() may be called while select() waits: a byte through this pair ends that.
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, lambda _: None)

    def __enter__(self) -> ChipServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listen(
        self,
        name: str,
        address: tuple[str, int],
        connect: Callable[[], Connection],
        refuse: Callable[[], Connection] = Refusal,
    ) -> int:
        """Serve `connect()`'s connections on (host, port); port 0 takes any that is free.

        Returns the port. A second client at a time is left to `refuse()`.
        DeviceError if the port can't be had.
        """
        host, number = address
        try:
            listener = socket.create_server((host, number), reuse_port=False)
        except OSError as exc:
            # Python adds the address to the reason, which is said below.
            reason = (exc.strerror or str(exc)).partition(" (while")[0].lower()
            raise DeviceError(
                f"cannot listen on {host}:{number} for {name}: {reason}; choose another port "
                "(0: any that is free), or another address",
                port=number,
            ) from exc
        listener.setblocking(False)
        port = _Port(name, listener, connect, refuse)
        self._ports.append(port)
        self._selector.register(listener, selectors.EVENT_READ, lambda _: self._accept(port))
        return int(listener.getsockname()[1])

    def stop_at_end_of(self, file_descriptor: int) -> None:
        """Have run() return when a pipe's other end is closed."""

        self._selector.register(file_descriptor, selectors.EVENT_READ, lambda _: self.stop())

    def stop(self) -> None:
        """Have run() return soon, or at once if it is yet to be called."""
        if not self._stopping:
            self._stopping = True
            self._wake.send(b"\0")

    def run(self) -> None:
        """Serve until stop()."""
        while not self._stopping:
            events = self._selector.select(0 if self._chip_runs else self.patience_s)
            for key, mask in events:
                key.data(mask)
            if events:
                self._slice = _SHORTEST_SLICE
                self._poll()
            elif not self._chip_runs:
                self.after_slice()
            if self._chip_runs:
                # Between two requests too: a debugger that never stops asking stops no program.
                self._run_slice()
                self.after_slice()
                self._poll()

    @property
    def _chip_runs(self) -> bool:
        return self.chip.state == "running"

    def _run_slice(self) -> None:
        try:
            self.chip.run(self._slice)
        except DeviceError as exc:
            # What the emulator can't do: whoever debugs can look at it, and go on elsewhere.
            _LOG.error("the chip is halted: %s", exc)
            self.chip.halt()
        self._slice = min(2 * self._slice, _LONGEST_SLICE)

    def close(self) -> None:
        """Close every connection and port."""
        for client in [*self._clients]:
            self._drop(client)
        for port in self._ports:
            port.socket.close()
        self._ports = []
        self._wake.close()
        self._woken.close()
        self._selector.close()

    def _accept(self, port: _Port) -> None:
        try:
            accepted, peer = port.socket.accept()
        except OSError:
            return  # it has gone already
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if port.client is None:
            _LOG.info("%s client %s", port.name, peer)
            client = port.client = _Client(port, accepted, port.connect())
        else:
            _LOG.warning("a second %s client (%s) was refused", port.name, peer)
            client = _Client(port, accepted, port.refuse())
        self._clients.append(client)
        self._selector.register(
            accepted, selectors.EVENT_READ, lambda mask: self._serve(client, mask)
        )

    def _serve(self, client: _Client, mask: int) -> None:
        if client not in self._clients:
            return  # dropped earlier in this round
        if mask & selectors.EVENT_WRITE:
            self._send(client, b"")
        if mask & selectors.EVENT_READ:
            for _ in range(_ROUNDS):
                if not self._serve_once(client) or self._chip_runs:
                    return

    def _serve_once(self, client: _Client) -> bool:
        """Serve one request, which may be a moment away; False if there is none."""
        data = _receive(client.socket, 0 if self._chip_runs else _LINGER_S)
        if data is None:
            return False
        if data:
            self._send(client, client.connection.receive(data))
        if not data or client.connection.ended:
            self._drop(client)
        return client.port.client is client

    def _poll(self) -> None:
        for port in self._ports:
            if port.client is not None:
                news = port.client.connection.poll()
                if news:
                    self._send(port.client, news)

    def _send(self, client: _Client, data: bytes) -> None:
        client.unsent += data
        if not client.unsent:
            return
        try:
            sent = client.socket.send(client.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(client)
            return
        client.unsent = client.unsent[sent:]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
        key: Any = self._selector.get_key(client.socket)
        if key.events != events:
            self._selector.modify(client.socket, events, key.data)

    def _drop(self, client: _Client) -> None:
        if client not in self._clients:
            return
        self._clients.remove(client)
        self._selector.unregister(client.socket)
        client.socket.close()
        client.connection.close()
        if client.port.client is client:
            client.port.client = None
            _LOG.info("%s client has gone", client.port.name)


def _receive(source: socket.socket, timeout_s: float) -> bytes | None:
    """What a client sent: b"" if it has gone, None if it stays silent for so long."""
    deadline = time.perf_counter() + timeout_s
    while True:
        try:
            return source.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            if time.perf_counter() >= deadline:
                return None
        except OSError:
            return b""
