"""One gdb's conversation with the chip: bytes in, bytes out. No socket is in here.

Source: the gdb manual, E.1 Overview (acknowledgements) and E.2 Packets.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
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
from usim.probe.gdb_target import Sector, describe_memory, describe_registers

_LOG = logging.getLogger(__name__)

_LONG_NAME: Final = re.compile(rb"[qQv][A-Za-z]*")
_SEPARATORS: Final = (b":", b";", b",")
_CONSOLE_PIECE: Final = LONGEST_PACKET // 4


class GdbSession:
    """Answers one client.

    1. construct: the chip is not touched yet; 2. feed() what the client sent, poll() after the chip
    ran, and send take_output() after both; 3. close() when the client is gone.
    """

    def __init__(self, chip: EmulatedChip, sectors: Sequence[Sector], name: str = "gdb") -> None:
        self._chip = chip
        self._name = name
        self._reader = PacketReader(LONGEST_PACKET)
        self._output = bytearray()
        self._last_packet = b""
        self._acknowledges = True
        self.detached = False
        breakpoints = Breakpoints(chip, name)
        self._run_control = RunControl(chip, name, breakpoints, self._say)
        documents = {
            (b"features", b"target.xml"): describe_registers(),
            (b"memory-map", b""): describe_memory(sectors),
        }
        self._commands: dict[bytes, Command] = {
            **Queries(documents, self._learn_features).commands,
            **RegisterAccess(chip).commands,
            **MemoryAccess(chip, LONGEST_PACKET).commands,
            **FlashLoader(chip, sectors).commands,
            **breakpoints.commands,
            **self._run_control.commands,
            **MonitorCommands(chip, self._say).commands,
            b"QStartNoAckMode": self._stop_acknowledging,
            b"D": self._detach,
        }

    def close(self) -> None:
        """Forget the client and its breakpoints; the chip runs or stays halted as it is."""
        self._chip.detach(self._name)

    def feed(self, data: bytes) -> None:
        """Take what the client sent, and do what it asks."""
        self._reader.feed(data)
        while True:
            packet = self._reader.next_packet()
            if self._reader.take_rejected() and self._acknowledges:
                self._output += self._last_packet
            if self._reader.take_interrupt():
                self._run_control.interrupt()
                self.poll()
            if packet is not None:
                self._take(packet)
            elif self._reader.take_damaged():
                self._output += b"-" if self._acknowledges else frame(MALFORMED)
            else:
                return

    def poll(self) -> None:
        """Tell the client if the chip has stopped."""
        try:
            reply = self._run_control.poll()
        except DeviceError as exc:
            self._say(f"{exc}\n".encode())
            return
        if reply is not None:
            self._send(reply)

    def take_output(self) -> bytes:
        """What is to be sent to the client."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def _take(self, packet: bytes) -> None:
        if self._acknowledges:
            self._output += b"+"
        reply = self.answer(packet)
        if reply is not None:
            self._send(reply)

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
            _LOG.info("gdb's packet %r is refused: %s", packet[:40], exc)
            return exc.code
        except AccessError:
            return NO_MEMORY
        except DeviceError as exc:
            _LOG.warning("gdb's packet %r failed: %s", packet[:40], exc)
            return MALFORMED

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
        self.detached = True
        self._chip.detach(self._name)
        self._chip.resume()
        return OK


def _name_of(packet: bytes) -> bytes:
    """A packet's name: one character, or a word where it begins with q, Q or v."""
    word = _LONG_NAME.match(packet)
    return word.group() if word else packet[:1]
