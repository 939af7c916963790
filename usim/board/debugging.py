"""Lets gdb debug a board's firmware while its serial lines work."""

from __future__ import annotations

from typing import Final

from usim.board.board import Board
from usim.board.host_lines import HostLines
from usim.probe.chip import EmulatedChip
from usim.probe.gdb_server import listen_for_gdb
from usim.probe.server import LOOPBACK, ChipServer

# How soon a chip that stands or sleeps hears of what came on a line.
_PATIENCE_S: Final = 0.05


class DebuggedBoard:
    """A server of an open board, whose core is halted at its first instruction.

    Life cycle: construct (DeviceError if the port can't be had); run() until stop(); close().
    """

    def __init__(self, board: Board, lines: HostLines, port: int) -> None:
        self._chip = EmulatedChip(board.platform, board.chip.timing, board.chip.device)
        self._chip.boot_address = board.vector_table
        self._chip.reset(halt=True)
        self._lines = lines
        self._server = ChipServer(self._chip)
        self._server.after_slice = self._look_outside
        self._server.patience_s = _PATIENCE_S
        try:
            self.port = listen_for_gdb(self._server, (LOOPBACK, port))
        except BaseException:
            self._server.close()
            raise

    def run(self) -> None:
        """Serve gdb, and the chip whenever gdb lets it run."""
        self._server.run()

    def stop(self) -> None:
        """Have run() return soon; from a signal handler too."""
        self._server.stop()

    def close(self) -> None:
        """Hang up."""
        self._server.close()

    def _look_outside(self) -> None:
        self._lines.poll()
        if self._chip.state == "asleep":
            self._chip.wake()
