"""The gdb remote protocol: packets, and the client against a stub that answers by the book."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usim.devices.gdb_packets import PacketReader, escape, frame, longest_that_fits, unpack
from usim.devices.gdb_remote import GdbRemote, LinkClosedError
from usim.errors import DeviceError


@given(st.binary(max_size=300), st.integers(1, 40))
def test_what_was_escaped_and_framed_arrives_whole_in_whatever_pieces(data, piece):
    reader = PacketReader()
    packet = b"+" + frame(escape(data))
    received = []
    for start in range(0, len(packet), piece):
        reader.feed(packet[start : start + piece])
        content = reader.next_packet()
        if content is not None:
            received.append(content)
    # '*' of the host's own data is escaped too, so that nothing is taken for a run length.
    assert received == [data]


@given(st.lists(st.sampled_from([b"a", b"}", b"$*#", b"0123"]), max_size=60), st.integers(2, 80))
def test_a_packet_takes_as_much_as_fits_and_no_more(parts, limit):
    data = b"".join(parts)
    piece = longest_that_fits(data, limit)
    assert data.startswith(piece)
    assert len(escape(piece)) <= limit
    assert piece == data or len(escape(piece)) >= limit - 1


def test_run_lengths_are_expanded():
    assert unpack(b"0* ") == b"0000"
    assert unpack(b"ab*!c") == b"abbbbbc"


def test_a_packet_with_a_wrong_checksum_is_dropped_and_told_of():
    reader = PacketReader()
    reader.feed(b"$OK#00" + frame(b"fine"))
    assert reader.next_packet() is None
    assert reader.take_damaged()
    assert reader.next_packet() == b"fine"
    assert not reader.take_damaged()


TARGET = """<?xml version="1.0"?><target>
<xi:include href="core.xml"/><feature name="b"><reg name="d0" bitsize="64"/></feature></target>"""
CORE = """<feature name="a"><reg name="r0" bitsize="32"/><reg name="r1" bitsize="32"/>
<reg name="xpsr" bitsize="32" regnum="25"/></feature>"""


class Stub:
    """The other side: 64 KiB of memory, a few registers, small packets."""

    def __init__(self, link: socket.socket) -> None:
        self.memory = bytearray(1 << 16)
        self.registers = {0: bytes(4), 25: bytes(4), 26: bytes(8)}
        self.longest = 0
        self.commands: list[bytes] = []
        self.takes_binary = False
        self.damage = 0
        self.acknowledges = True
        self._link = link
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        reader = PacketReader()
        while data := self._link.recv(4096):
            # An interrupt is no packet; the client sends nothing else with it.
            if data == b"\x03":
                self._send(b"T02thread:01;")
            reader.feed(data)
            while (command := reader.next_packet()) is not None:
                self._take(command)

    def _take(self, command: bytes) -> None:
        self.longest = max(self.longest, len(command))
        self.commands.append(command)
        if self.acknowledges:
            self._link.sendall(b"+")
        answer = self.answer(command)
        if answer is None:
            return
        if self.damage:
            self.damage -= 1
            self._link.sendall(b"$" + answer + b"#zz")
        self._send(answer)
        if command == b"QStartNoAckMode":
            self.acknowledges = False

    def _send(self, answer: bytes) -> None:
        self._link.sendall(frame(answer))

    def answer(self, command: bytes) -> bytes | None:  # noqa: PLR0911 - one a command
        fixed = {b"QStartNoAckMode": b"OK", b"c": None, b"s": b"T05"}
        if command in fixed:
            return fixed[command]
        if command.startswith(b"qSupported"):
            return b"PacketSize=100;QStartNoAckMode+;qXfer:features:read+"
        if command.startswith(b"qXfer:features:read:"):
            return self._xml(command)
        if command[:1] in b"mMX":
            return self._access(command)
        if command[:1] == b"p":
            return self.registers[int(command[1:], 16)].hex().encode()
        if command[:1] == b"P":
            number, _, value = command[1:].partition(b"=")
            self.registers[int(number, 16)] = bytes.fromhex(value.decode())
            return b"OK"
        return b"OK" if command[:2] in {b"Z0", b"z0"} else b""

    def _xml(self, command: bytes) -> bytes:
        *_, annex, place = command.decode().split(":")
        text = {"target.xml": TARGET, "core.xml": CORE}[annex]
        offset, length = (int(part, 16) for part in place.split(","))
        piece = text[offset : offset + length]
        return (b"l" if offset + length >= len(text) else b"m") + piece.encode()

    def _access(self, command: bytes) -> bytes:
        place, _, data = command[1:].partition(b":")
        address, length = (int(part, 16) for part in place.split(b","))
        if address + length > len(self.memory):
            return b"E01"
        if command[:1] == b"m":
            return self.memory[address : address + length].hex().encode()
        if command[:1] == b"X":
            if not self.takes_binary:
                return b""
            content = data
        else:
            content = bytes.fromhex(data.decode())
        assert len(content) == length
        self.memory[address : address + length] = content
        return b"OK"


@pytest.fixture
def stub_and_client() -> Iterator[tuple[Stub, GdbRemote]]:
    ours, theirs = socket.socketpair()
    stub = Stub(theirs)
    stub.thread.start()
    yield stub, GdbRemote(ours, "the stub", timeout_s=5)
    ours.close()
    stub.thread.join(5)
    theirs.close()


def test_registers_are_numbered_as_the_description_says(stub_and_client):
    _, client = stub_and_client
    client.start()
    assert client.registers == {"r0": (0, 4), "r1": (1, 4), "xpsr": (25, 4), "d0": (26, 8)}
    client.write_register("d0", 0x0123_4567_89AB_CDEF)
    assert client.read_register("d0") == 0x0123_4567_89AB_CDEF


@pytest.mark.parametrize("binary", [False, True])
def test_memory_goes_in_packets_no_longer_than_announced(binary, stub_and_client):
    stub, client = stub_and_client
    stub.takes_binary = binary
    client.start()
    data = bytes(range(256)) * 9 + b"$#}*" * 40 + b"x"
    client.write_memory(0x123, data)
    assert bytes(stub.memory[0x123 : 0x123 + len(data)]) == data
    assert client.read_memory(0x123, len(data)) == data
    assert stub.longest <= 0x100
    assert stub.memory[0x122] == stub.memory[0x123 + len(data)] == 0


def test_a_packet_that_is_too_long_is_refused_and_never_sent(stub_and_client):
    _, client = stub_and_client
    client.start()
    with pytest.raises(DeviceError, match=r"a packet of 300 bytes is more than the 256"):
        client.ask(b"x" * 300)


def test_a_damaged_answer_is_asked_for_again(stub_and_client):
    stub, client = stub_and_client
    stub.damage = 1
    assert client.ask(b"p0") == b"00000000"


def test_an_error_names_the_command_and_the_answer(stub_and_client):
    _, client = stub_and_client
    client.start()
    with pytest.raises(DeviceError, match="the stub answered 'E01' to the gdb command 'm'"):
        client.read_memory(0xFFFF, 4)


def test_what_does_not_stop_can_be_halted(stub_and_client):
    _, client = stub_and_client
    client.start()
    client.resume()
    assert not client.wait(0.05)
    client.halt()
    assert client.read_register("r0") == 0


def test_no_answer_is_an_error_that_names_the_command(stub_and_client):
    stub, client = stub_and_client
    client._timeout_s = 0.05
    answer: Callable[[bytes], bytes | None] = lambda _: None  # noqa: E731
    stub.answer = answer
    with pytest.raises(DeviceError, match=r"did not answer 'p0' within 0\.05 s"):
        client.ask(b"p0")


def test_a_link_that_closes_is_told_of():
    ours, theirs = socket.socketpair()
    theirs.close()
    with pytest.raises(LinkClosedError, match="the stub"):
        GdbRemote(ours, "the stub").ask(b"?")
    ours.close()
