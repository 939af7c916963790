"""What a gdb server answers to packets, sensible ones and others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from usim.devices.gdb_packets import PacketReader, escape, frame
from usim.platforms import load_platform
from usim.probe.chip import EmulatedChip
from usim.probe.gdb_session import GdbSession

LOOP = bytes.fromhex("00bf 00bf fce7")  # nop; nop; b to the first
RAM = 0x2000_0000


@pytest.fixture(scope="module")
def chip() -> Iterator[EmulatedChip]:
    with EmulatedChip(load_platform("stm32f746")) as opened:
        yield opened


@pytest.fixture
def session(chip: EmulatedChip) -> Iterator[GdbSession]:
    chip.reset(halt=True)
    opened = GdbSession(chip)
    yield opened
    opened.close()


def ask(session: GdbSession, *packets: bytes) -> list[bytes]:
    """The answers to packets, acknowledged and framed as they must be."""
    output = session.receive(b"".join(map(frame, packets)))
    reader = PacketReader()
    reader.feed(output)
    answers = []
    while (answer := reader.next_packet()) is not None:
        answers.append(answer)
    assert not reader.take_damaged()
    return answers


def test_memory_of_no_bytes_odd_ones_and_across_regions(session):
    across = 0x2000_FFFD  # DTCM, then SRAM1
    assert ask(session, b"M%x,7:01020304050607" % across, b"m%x,7" % across) == [
        b"OK", b"01020304050607"
    ]  # fmt: skip
    assert ask(session, b"X%x,0:" % RAM, b"M%x,0:" % RAM, b"m%x,0" % RAM) == [b"OK", b"OK", b""]
    data = bytes(range(256))
    assert ask(session, b"X%x,100:" % RAM + escape(data)) == [b"OK"]
    assert ask(session, b"m%x,100" % RAM) == [data.hex().encode()]


@pytest.mark.parametrize(
    "packet",
    [
        b"m", b"m20000000", b"mxyz,4", b"m20000000,", b"m-1,4", b"m20000000,4,4", b"M20000000,4:00",
        b"M20000000,1:0g", b"X20000000,5:abc", b"p", b"p29", b"p-1", b"Pf", b"Pf=00", b"G00",
        b"P0=0000000g", b"vCont;q", b"vFlashErase:zz", b"vFlashWrite:08000000", b"Z0,zz,2",
        b"qRcmd,4", b"qXfer:features:read:target.xml:0", b"c20zz",
    ],
)  # fmt: skip
def test_a_malformed_packet_is_an_error_and_changes_nothing(session, chip, packet):
    before = ask(session, b"g", b"m20000000,20")
    if packet.startswith(b"vFlashWrite"):
        packet += b",00"
    assert re.fullmatch(rb"E[0-9a-f]{2}", ask(session, packet)[0])
    assert chip.halted
    assert ask(session, b"g", b"m20000000,20") == before


def test_memory_beyond_the_end_is_cut_off_and_none_at_all_is_an_error(session):
    assert ask(session, b"m2004fffc,8") == [b"00000000"]
    assert ask(session, b"m20050000,8", b"m60000000,4", b"mfffffffc,8") == [b"E0e"] * 3
    assert ask(session, b"M60000000,4:00000000", b"X60000000,4:abcd") == [b"E0e"] * 2


def test_flash_is_erased_by_whole_sectors_and_only_flash_is(session, chip):
    chip.device.write(
        0x0800_7FFE, b"\x01\x02\x03\x04"
    )  # the end of a sector, the start of the next
    assert ask(session, b"vFlashErase:08008000,8000") == [b"OK"]
    assert ask(session, b"m8007ffe,4") == [b"0102ffff"]
    assert ask(session, b"vFlashWrite:08008000:" + escape(b"}#$*"), b"vFlashDone") == [b"OK", b"OK"]
    assert ask(session, b"m8008000,4", b"m208000,4") == [b"7d23242a"] * 2  # at either address
    assert (
        ask(session, b"vFlashErase:20000000,100", b"vFlashWrite:080fffff:ab") == [b"E.memtype"] * 2
    )
    chip.device.write(0x0800_0000, b"\xff" * 0x10000)


def test_flash_that_is_protected_from_being_read_out_is_from_gdb_too():
    key, control = 0x4002_3C08, 0x4002_3C14  # FLASH_OPTKEYR, FLASH_OPTCR
    words = [(key, 0x0819_2A3B), (key, 0x4C5D_6E7F), (control, 0xC0FF_55FC), (control, 0xC0FF_55FE)]
    with EmulatedChip(load_platform("stm32f746")) as chip:
        session = GdbSession(chip)
        for address, value in words:  # RDP 0x55: level 1
            chip.write_memory(address, value.to_bytes(4, "little"))
        assert ask(session, b"m8000000,4", b"vFlashErase:08000000,8000") == [b"E0e", b"E0e"]
        assert ask(session, b"vFlashWrite:08000000:abcd", b"m20000000,1") == [b"E0e", b"00"]


def test_registers_are_read_and_written_together_and_one_at_a_time(session):
    (everything,) = ask(session, b"g")
    assert len(everything) == 2 * 4 * (17 + 6 + 32 + 1)
    changed = b"11223344" + everything[8:]
    assert ask(session, b"G" + changed, b"p0", b"P1=78563412", b"p1") == [
        b"OK", b"11223344", b"OK", b"78563412"
    ]  # fmt: skip


def test_descriptions_are_whole_xml_in_whatever_pieces(session):
    for thing, annex in ((b"features", b"target.xml"), (b"memory-map", b"")):
        text = b""
        while True:
            (piece,) = ask(session, b"qXfer:%s:read:%s:%x,61" % (thing, annex, len(text)))
            text += piece[1:]
            if piece[:1] == b"l":
                break
        root = ElementTree.fromstring(text)
    covered = [(int(m.get("start"), 0), int(m.get("length"), 0)) for m in root]
    assert covered[0][0] == 0 and sum(covered[-1]) == 1 << 32
    assert all(sum(block) == after for block, (after, _) in pairwise(covered))
    assert ask(session, b"qXfer:features:read:other.xml:0,10", b"qXfer:auxv:read::0,10") == [
        b"E00", b""
    ]  # fmt: skip


def test_acknowledgements_are_as_agreed(session):
    damaged = b"$g#00"
    assert session.receive(damaged) == b"-"
    first = session.receive(frame(b"qC"))
    assert first == b"+" + frame(b"QC1")
    assert session.receive(b"-") == frame(b"QC1")  # "again"
    assert session.receive(frame(b"QStartNoAckMode")) == b"+" + frame(b"OK")
    assert session.receive(b"+" + frame(b"qC")) == frame(b"QC1")
    assert session.receive(damaged) == frame(b"E01")


def test_ctrl_c_between_packets_halts_and_within_one_is_data(session, chip):
    chip.device.write(RAM, LOOP)
    ask(session, b"Pf=%s" % RAM.to_bytes(4, "little").hex().encode())
    assert ask(session, b"vCont;c") == []
    chip.run(1000)
    assert ask(session, b"M20000100,1:03", b"m20000100,1") == [b"OK", b"03"]
    assert session.receive(b"$X20000100,1:\x03#").count(b"T") == 0
    assert not chip.halted
    assert b"T02thread:1;" in session.receive(b"00\x03")
    assert chip.halted
    assert session.receive(b"\x03") == b""  # nobody waits for a second stop


def test_another_debugger_that_halts_the_chip_is_told_of(session, chip):
    chip.device.write(RAM, LOOP)
    ask(session, b"Pf=00000020", b"c")
    chip.run(1000)
    assert session.poll() == b""
    chip.halt()
    assert b"T02" in session.poll()
    chip.resume()
    assert ask(session, b"g", b"p0") == [b"E02", b"E02"]  # and one that lets it run, by this
    assert ask(session, b"m20000000,2") == [b"00bf"]
    chip.halt()


def test_as_many_breakpoints_as_there_are_and_no_more(session, chip):
    answers = ask(session, *(b"Z0,%x,2" % (RAM + 0x1000 + 2 * i) for i in range(100)))
    room = answers.count(b"OK")
    assert room >= 8 and answers[room:] == [b"E1c"] * (100 - room)
    assert ask(session, b"z0,%x,2" % (RAM + 0x1000), b"Z1,20002000,2") == [b"OK", b"OK"]
    assert ask(session, b"Z9,0,0") == [b""]


NAMES = [
    *(bytes([c]) for c in b"?!cCdDgGHikmMpPRsSTXzZ"),
    b"qSupported", b"qXfer", b"qRcmd", b"qC", b"qAttached", b"qfThreadInfo", b"qsThreadInfo",
    b"qThreadExtraInfo", b"vCont", b"vFlashErase", b"vFlashWrite", b"vFlashDone", b"vKill", b"vRun",
    b"vMustReplyEmpty", b"vAttach", b"QStartNoAckMode", b"Qx", b"v", b"q", b"",
]  # fmt: skip
NUMBERS = st.one_of(
    st.integers(0, 1 << 33),
    st.sampled_from([0, 1, 4, 16, 25, 0x0800_0000, 0x2000_0000, 0x2004_FFFC, 0xE000_ED00, 1 << 32]),
).map(lambda number: b"%x" % number)
FIELDS = st.one_of(
    NUMBERS,
    st.binary(max_size=12),
    st.sampled_from(
        [
            b",", b":", b";", b"=", b"?", b"c", b"s:1", b"0", b"1", b"2", b"swbreak+",
            b"features:read:target.xml", b"memory-map:read:",
            b"reset run".hex().encode(), b"catch faults".hex().encode(),
        ]
    ),
)  # fmt: skip
PACKETS = st.builds(
    lambda name, fields: name + b"".join(fields),
    st.sampled_from(NAMES),
    st.lists(FIELDS, max_size=6),
)
ANSWER = re.compile(rb"(?:[+-]|\$[^$#]*#[0-9a-f]{2})*", re.DOTALL)
FUZZED = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@FUZZED
@given(st.lists(PACKETS, max_size=4), st.integers(1, 50))
@example([b"vCont;s", b"G" + b"f" * 448, b"s", b"c"], 7)
def test_no_packet_is_too_much(session, chip, packets, piece):
    stream = b"".join(frame(escape(packet)) for packet in packets) + b"\x03"
    for start in range(0, len(stream), piece):
        output = session.receive(stream[start : start + piece])
        chip.run(50)
        output += session.poll()
        assert ANSWER.fullmatch(output)


@FUZZED
@given(st.binary(max_size=60))
@example(b"$" * 40000)
def test_no_bytes_are_too_much(session, data):
    assert ANSWER.fullmatch(session.receive(data))
    # And the next packet is understood, whatever was begun before.
    assert frame(b"QC1") in session.receive(b"#00" + frame(b"qC"))
