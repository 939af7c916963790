"""Connects a board's serial lines with their endpoints on the host.

What comes from outside arrives when it comes: such a run is not the same each time. It is looked
for between slices of the program, every millisecond of the chip's time.
"""

from __future__ import annotations

import select
from typing import Final

from usim.board.board import Board
from usim.board.endpoints import Endpoint

_SLICE_S: Final = 1e-3
# How long a sleeping chip waits for input before it looks at Ctrl-C.
_PATIENCE_S: Final = 0.2


class HostLines:
    """The endpoints of a board that is open, by the line's name; an empty name: the console."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._endpoints: list[tuple[str, Endpoint]] = []

    def attach(self, name: str, endpoint: Endpoint) -> None:
        """Have a line's bytes go to an endpoint, and what comes from there to it.

        With an empty name it only gives input: for the line that was heard of last.
        """
        self._endpoints.append((name, endpoint))
        if name:
            line = self._board.line(name)
            line.listeners.append(lambda byte: endpoint.write(bytes((byte,))))
        runner = self._board.runner
        runner.poll = self.poll
        if endpoint.waits_on():
            runner.slice_s = _SLICE_S
            runner.wait_for_input = self.wait

    def poll(self) -> None:
        """Hand on what there is, in both directions."""
        self._receive(0)
        for _, endpoint in self._endpoints:
            endpoint.flush()

    def wait(self) -> bool:
        """Wait for a byte from outside; False if none can come any more."""
        while not self._board.runner.interrupted:
            for _, endpoint in self._endpoints:
                endpoint.flush()
            received = self._receive(_PATIENCE_S)
            if received is None:
                return False
            if received:
                return True
        return False

    def close(self) -> None:
        """Flush and close every endpoint."""
        for _, endpoint in self._endpoints:
            endpoint.flush()
            endpoint.close()

    def _receive(self, timeout_s: float) -> bool | None:
        """Whether bytes came in time; None if there is nobody they could come from."""
        sources = {fd: pair for pair in self._endpoints for fd in pair[1].waits_on()}
        if not sources:
            return None
        readable, _, _ = select.select(list(sources), [], [], timeout_s)
        received = False
        for fd in readable:
            name, endpoint = sources[fd]
            data = endpoint.read()
            if data:
                self._board.send(data, name or None)
                received = True
        return received
