"""The host's side of the gdb remote serial protocol, over a connected stream socket.

Source: the gdb manual, appendix E. What the stub runs on is not asked here: memory, registers by
name, breakpoints, continue and halt.
"""

from __future__ import annotations

import select
import socket
import time
from typing import Final
from xml.etree import ElementTree

from usim.devices.gdb_packets import PacketReader, escape, frame, longest_that_fits
from usim.errors import DeviceError

# Between '$' and '#'. QEMU 7.2 announces 4,096 and never answers a packet that is longer.
_LONGEST_PACKET: Final = 4096
_SHORTEST_PACKET: Final = 64  # below it no command with its addresses would fit
_INTERRUPT: Final = b"\x03"
_CONTINUE: Final = b"c"
_XI: Final = "http://www.w3.org/2001/XInclude"


class LinkClosedError(DeviceError):
    """The other side is gone."""


class GdbRemote:
    """A stub that answers. `name` is what messages call it.

    1. construct with a connected socket; 2. start(): packet size, no acknowledgements, registers;
    3. anything else while halted; resume() and wait() or halt(); 4. close() closes the socket.
    """

    def __init__(self, link: socket.socket, name: str, timeout_s: float = 10.0) -> None:
        self._link = link
        self._name = name
        self._timeout_s = timeout_s
        self._reader = PacketReader()
        self._acknowledges = True
        self._running = False
        self._closed = False
        self._binary_writes = True
        self._packet_size = _LONGEST_PACKET
        # Name to (number, size in bytes).
        self.registers: dict[str, tuple[int, int]] = {}

    def start(self) -> None:
        """Agree on a packet size, drop the acknowledgements, and learn the registers."""
        features = self.ask(b"qSupported:xmlRegisters=arm").decode("latin-1").split(";")
        offers = dict(item.partition("=")[::2] for item in features)
        if size := offers.get("PacketSize"):
            self._packet_size = max(_SHORTEST_PACKET, min(int(size, 16), _LONGEST_PACKET))
        if "QStartNoAckMode+" in features and self.ask(b"QStartNoAckMode") == b"OK":
            self._acknowledges = False
        if "qXfer:features:read+" in features:
            self.registers = self._describe_registers()

    def close(self) -> None:
        """Close the socket; the stub is not told."""
        self._link.close()

    @property
    def is_closed(self) -> bool:
        """Whether the other side is gone."""
        return self._closed

    # Memory.

    def read_memory(self, address: int, size_bytes: int) -> bytes:
        """Read in pieces that fit a packet."""
        data = bytearray()
        while len(data) < size_bytes:
            length = min(size_bytes - len(data), self._packet_size // 2 - 4)
            answer = self._done(b"m%x,%x" % (address + len(data), length))
            piece = _from_hex(answer, self._name)
            if not piece or len(piece) > length:
                raise self._unexpected("m", answer)
            data += piece
        return bytes(data)

    def write_memory(self, address: int, data: bytes) -> None:
        """Write in pieces that fit a packet: as bytes where the stub takes them, else in hex."""
        view = memoryview(data)
        while view:
            taken = self._write_binary(address, view) if self._binary_writes else 0
            if not taken:
                taken = self._write_hex(address, view)
            address += taken
            view = view[taken:]

    def _write_binary(self, address: int, view: memoryview) -> int:
        piece = longest_that_fits(view, self._packet_size - 32)
        answer = self.ask(b"X%x,%x:" % (address, len(piece)) + escape(piece))
        if not answer:
            self._binary_writes = False
            return 0
        self._expect_ok("X", answer)
        return len(piece)

    def _write_hex(self, address: int, view: memoryview) -> int:
        piece = bytes(view[: (self._packet_size - 32) // 2])
        answer = self.ask(b"M%x,%x:%s" % (address, len(piece), piece.hex().encode()))
        self._expect_ok("M", answer)
        return len(piece)

    # Registers.

    def read_register(self, name: str) -> int:
        """A register of `registers`, as an unsigned number."""
        number, size_bytes = self.registers[name]
        answer = self._done(b"p%x" % number)
        value = _from_hex(answer, self._name)
        if len(value) != size_bytes:
            raise self._unexpected("p", answer)
        return int.from_bytes(value, "little")

    def write_register(self, name: str, value: int) -> None:
        """Set a register of `registers`."""
        number, size_bytes = self.registers[name]
        content = value.to_bytes(size_bytes, "little").hex().encode()
        self._expect_ok("P", self.ask(b"P%x=%s" % (number, content)))

    # Running.

    def set_breakpoint(self, address: int) -> None:
        """Stop before the Thumb instruction at `address`."""
        self._expect_ok("Z0", self.ask(b"Z0,%x,2" % address))

    def clear_breakpoint(self, address: int) -> None:
        """Take a breakpoint away."""
        self._expect_ok("z0", self.ask(b"z0,%x,2" % address))

    def step(self) -> None:
        """Execute one instruction."""
        self._check_stop(self.ask(b"s"))

    def resume(self) -> None:
        """Let it run; wait() or halt() must follow."""
        self._send(_CONTINUE)
        self._running = True

    def wait(self, timeout_s: float) -> bool:
        """Whether it stopped by itself within `timeout_s` seconds."""
        answer = self._receive(timeout_s)
        if answer is None:
            return False
        self._running = False
        self._check_stop(answer)
        return True

    def halt(self) -> None:
        """Stop it if it runs."""
        if self._running:
            self._write(_INTERRUPT)
            if not self.wait(self._timeout_s):
                raise DeviceError(f"{self._name} did not stop within {self._timeout_s:g} s")

    def monitor(self, command: str) -> str:
        """Run a command of the stub's own (gdb's `monitor`); what it printed."""
        answer = self.ask(b"qRcmd," + command.encode().hex().encode())
        printed = ""
        while answer[:1] == b"O" and answer != b"OK":
            printed += _from_hex(answer[1:], self._name).decode("utf-8", errors="replace")
            answer = self._await("qRcmd")
        self._expect_ok("qRcmd", answer)
        return printed

    # Packets.

    def ask(self, command: bytes) -> bytes:
        """Send a command and return the answer, which is empty if the stub doesn't know it."""
        if self._running:
            self.halt()
        self._send(command)
        return self._await(command[:12].decode("latin-1"))

    def _await(self, what: str) -> bytes:
        answer = self._receive(self._timeout_s)
        if answer is None:
            raise DeviceError(f"{self._name} did not answer {what!r} within {self._timeout_s:g} s")
        return answer

    def _send(self, command: bytes) -> None:
        if len(command) > self._packet_size:
            raise DeviceError(
                f"a packet of {len(command):,} bytes is more than the {self._packet_size:,} that "
                f"{self._name} takes"
            )
        self._write(frame(command))

    def _receive(self, timeout_s: float) -> bytes | None:
        """The next packet, acknowledged where that is the mode; None after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while True:
            packet = self._reader.next_packet()
            if packet is not None:
                if self._acknowledges:
                    self._write(b"+")
                return packet
            if self._reader.take_damaged():
                if not self._acknowledges:
                    raise DeviceError(f"a packet of {self._name} has a wrong checksum")
                self._write(b"-")
                continue
            # select() first: a time-out of the socket itself would hold for writing as well.
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._link], [], [], left)[0]:
                return None
            try:
                data = self._link.recv(1 << 16)
            except OSError as exc:
                self._closed = True
                raise LinkClosedError(f"the link to {self._name} broke: {exc.strerror}") from exc
            if not data:
                self._closed = True
                raise LinkClosedError(f"{self._name} closed the link")
            self._reader.feed(data)

    def _write(self, data: bytes) -> None:
        try:
            self._link.sendall(data)
        except OSError as exc:
            self._closed = True
            raise LinkClosedError(f"the link to {self._name} broke: {exc.strerror}") from exc

    def _done(self, command: bytes) -> bytes:
        answer = self.ask(command)
        if not answer or (len(answer) == 3 and answer[:1] == b"E"):
            raise self._unexpected(command[:1].decode(), answer)
        return answer

    def _expect_ok(self, command: str, answer: bytes) -> None:
        if answer != b"OK":
            raise self._unexpected(command, answer)

    def _check_stop(self, answer: bytes) -> None:
        if answer[:1] not in {b"T", b"S"}:
            raise self._unexpected("c", answer)

    def _unexpected(self, command: str, answer: bytes) -> DeviceError:
        shown = answer[:40].decode("latin-1") or "nothing"
        return DeviceError(f"{self._name} answered {shown!r} to the gdb command {command!r}")

    # Registers' description.

    def _describe_registers(self) -> dict[str, tuple[int, int]]:
        registers: dict[str, tuple[int, int]] = {}
        number = 0
        for feature in self._features("target.xml"):
            for register in feature.iter("reg"):
                number = int(register.get("regnum", number))
                size = int(register.get("bitsize", "32")) // 8
                registers[register.get("name", "")] = number, size
                number += 1
        return registers

    def _features(self, annex: str) -> list[ElementTree.Element]:
        text = self._read_annex(annex)
        if "xmlns:xi" not in text:  # QEMU 7.2 uses the prefix without declaring it
            text = text.replace("<target>", f'<target xmlns:xi="{_XI}">', 1)
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError as exc:
            raise DeviceError(f"{annex} of {self._name} is not XML: {exc}") from exc
        if root.tag == "feature":
            return [root]
        found: list[ElementTree.Element] = []
        for child in root:
            if child.tag == f"{{{_XI}}}include":
                found += self._features(child.get("href", ""))
            elif child.tag == "feature":
                found.append(child)
        return found

    def _read_annex(self, annex: str) -> str:
        text = b""
        while True:
            command = f"qXfer:features:read:{annex}:{len(text):x},{self._packet_size - 16:x}"
            answer = self._done(command.encode())
            text += answer[1:]
            if answer[:1] == b"l":
                return text.decode("utf-8", errors="replace")
            if answer[:1] != b"m" or len(answer) == 1:
                raise self._unexpected("qXfer", answer)


def _from_hex(text: bytes, name: str) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError as exc:
        raise DeviceError(f"{name} answered {text[:40]!r} where hex digits belong") from exc
