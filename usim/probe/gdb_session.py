"""One gdb's conversation with the chip: bytes in, bytes out.

Source: the gdb manual, E.1 Overview (acknowledgements) and E.2 Packets.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from usim.devices.gdb_packets import PacketReader, frame
from usim.errors import AccessError, DeviceError
from usim.probe.chip import EmulatedChip
from usim.probe.gdb_access import FlashLoader, MemoryAccess, RegisterAccess
from usim.probe.gdb_breakpoints import Breakpoints
from usim.probe.gdb_fields import (
    MALFORMED,
    NO_MEMORY,
    OK,
    UNKNOWN,
    Command,
    RefusedError,
    to_hex,
)
from usim.probe.gdb_monitor import MonitorCommands
from usim.probe.gdb_queries import LONGEST_PACKET, Queries
from usim.probe.gdb_run_control import RunControl
from usim.probe.gdb_target import describe_memory, describe_registers, flash_blocks
from usim.probe.server import Connection

_LOG = logging.getLogger(__name__)

_LONG_NAME: Final = re.compile(rb"[qQv][A-Za-z]*")
_SEPARATORS: Final = (b":", b";", b",")
_CONSOLE_PIECE: Final = LONGEST_PACKET // 4


class GdbSession(Connection):
    """Answers one client.

    The chip is halted when the client asks why it is (`?`), as each gdb does first. When the client
    is gone, so are its breakpoints; the chip runs on or stays halted.
    """

    def __init__(self, chip: EmulatedChip, name: str = "gdb") -> None:
        self._chip = chip
        self._name = name
        self._reader = PacketReader(LONGEST_PACKET)
        self._output = bytearray()
        self._last_packet = b""
        self._acknowledges = True
        blocks = flash_blocks(chip.platform)
        breakpoints = Breakpoints(chip, name)
        self._run_control = RunControl(chip, name, breakpoints, self._say)
        documents = {
            (b"features", b"target.xml"): describe_registers(),
            (b"memory-map", b""): describe_memory(blocks),
        }
        self._commands: dict[bytes, Command] = {
            **Queries(documents, self._learn_features).commands,
            **RegisterAccess(chip).commands,
            **MemoryAccess(chip, LONGEST_PACKET).commands,
            **FlashLoader(chip, blocks).commands,
            **breakpoints.commands,
            **self._run_control.commands,
            **MonitorCommands(chip, self._say).commands,
            b"QStartNoAckMode": self._stop_acknowledging,
            b"D": self._detach,
        }

    def close(self) -> None:
        """Forget the client and its breakpoints."""
        self._chip.detach(self._name)

    def receive(self, data: bytes) -> bytes:
        """Do what the client asks; returns what it gets."""
        self._reader.feed(data)
        while True:
            packet = self._reader.next_packet()
            if self._reader.take_rejected() and self._acknowledges:
                self._output += self._last_packet
            if self._reader.take_interrupt():
                self._run_control.interrupt()
                self._tell_of_stop()
            if packet is not None:
                self._take(packet)
            elif self._reader.take_damaged():
                self._output += b"-" if self._acknowledges else frame(MALFORMED)
            else:
                return self._take_output()

    def poll(self) -> bytes:
        """Tell the client if the chip has stopped, and what the program prints."""
        self._tell_of_stop()
        return self._take_output()

    def answer(self, packet: bytes) -> bytes | None:
        """The answer to a packet's content; None where the chip runs now, or none is due."""
        name = _name_of(packet)
        command = self._commands.get(name)
        if command is None:
            return UNKNOWN
        rest = packet[len(name) :]
        try:
            return command(rest[1:] if len(name) > 1 and rest[:1] in _SEPARATORS else rest)
        except RefusedError as exc:
            _LOG.debug("gdb's packet %r is refused: %s", packet[:40], exc)
            return exc.code
        except AccessError:
            return NO_MEMORY
        except DeviceError as exc:
            _LOG.warning("gdb's packet %r failed: %s", packet[:40], exc)
            return MALFORMED

    def _tell_of_stop(self) -> None:
        reply = self._run_control.poll()
        if reply is not None:
            self._send(reply)

    def _take_output(self) -> bytes:
        output = bytes(self._output)
        self._output.clear()
        return output

    def _take(self, packet: bytes) -> None:
        if self._acknowledges:
            self._output += b"+"
        reply = self.answer(packet)
        if reply is not None:
            self._send(reply)

    def _send(self, content: bytes) -> None:
        self._last_packet = frame(content)
        self._output += self._last_packet

    def _say(self, text: bytes) -> None:
        """Print on gdb's console, in packets of a fair size."""
        for start in range(0, len(text), _CONSOLE_PIECE):
            self._send(b"O" + to_hex(text[start : start + _CONSOLE_PIECE]))

    def _learn_features(self, features: bytes) -> None:
        self._run_control.tells_reasons = {b"swbreak+", b"hwbreak+"} <= set(features.split(b";"))

    def _stop_acknowledging(self, _: bytes) -> bytes:
        self._acknowledges = False
        return OK

    def _detach(self, _: bytes) -> bytes:
        """The program goes on, without its debugger."""
        self._chip.detach(self._name)
        self._chip.resume()
        return OK


def _name_of(packet: bytes) -> bytes:
    """A packet's name: one character, or a word where it begins with q, Q or v."""
    word = _LONG_NAME.match(packet)
    return word.group() if word else packet[:1]
