"""The JTAG pins: the state machine, the chain's registers, and the protocol that moves them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usim.platforms import load_platform
from usim.probe.chip import EmulatedChip
from usim.probe.dap import JTAG_IDCODE
from usim.probe.jtag import IdTap, TapChain, TapState
from usim.probe.jtag_target import JtagTarget
from usim.probe.remote_bitbang import RemoteBitbang

BOUNDARY_SCAN = 0x0644_9041
# IEEE 1149.1, figure 6-1: the shortest ways from Test-Logic-Reset, as TMS levels.
WAYS = {
    TapState.RUN_TEST_IDLE: "0", TapState.SELECT_DR: "01", TapState.CAPTURE_DR: "010",
    TapState.SHIFT_DR: "0100", TapState.EXIT1_DR: "0101", TapState.PAUSE_DR: "01010",
    TapState.EXIT2_DR: "010101", TapState.UPDATE_DR: "01011", TapState.SELECT_IR: "011",
    TapState.CAPTURE_IR: "0110", TapState.SHIFT_IR: "01100", TapState.EXIT1_IR: "01101",
    TapState.PAUSE_IR: "011010", TapState.EXIT2_IR: "0110101", TapState.UPDATE_IR: "011011",
}  # fmt: skip


def ticks(tms: str, tdi: str | None = None, *, sampled: bool = False) -> bytes:
    """The characters for ticks of TCK with these levels."""
    levels = [2 * int(mode) + int(data) for mode, data in zip(tms, tdi or tms, strict=True)]
    return "".join(f"{level}{'R' * sampled}{level + 4}" for level in levels).encode()


def connect(chain: TapChain) -> RemoteBitbang:
    return RemoteBitbang(chain, lambda _asserted: None)


@pytest.fixture
def target() -> Iterator[JtagTarget]:
    with EmulatedChip(load_platform("stm32f746")) as chip:
        yield JtagTarget(chip)


@pytest.mark.parametrize("state", WAYS, ids=lambda state: state.name)
def test_five_ticks_with_tms_high_reset_from_every_state(state: TapState) -> None:
    chain = TapChain([IdTap(5, BOUNDARY_SCAN, 1)])
    link = connect(chain)
    link.receive(ticks(WAYS[state]))
    assert chain.state is state
    link.receive(ticks("11111"))
    assert chain.state is TapState.TEST_LOGIC_RESET


def test_the_chain_gives_its_id_codes_then_what_goes_in(target: JtagTarget) -> None:
    link = target.connect()
    link.receive(ticks("11111") + ticks("0100"))
    bits = link.receive(ticks("0" * 72, "10110011" * 9, sampled=True))
    assert int(bits[:32][::-1], 2) == JTAG_IDCODE  # the tap next to TDO
    assert int(bits[32:64][::-1], 2) == BOUNDARY_SCAN
    assert bits[64:] == b"10110011"


def test_bypassed_taps_are_a_bit_each_and_trst_ends_that(target: JtagTarget) -> None:
    link = target.connect()
    link.receive(ticks("11111") + ticks("01100"))
    captured = link.receive(ticks("0" * 8 + "1", "1" * 9, sampled=True))
    assert captured == b"100010000"  # each instruction register captures ...01
    link.receive(ticks("1") + ticks("100"))
    assert link.receive(ticks("0" * 6, "111111", sampled=True)) == b"001111"
    link.receive(b"t" + b"r" + ticks("0100"))
    bits = link.receive(ticks("0" * 32, "0" * 32, sampled=True))
    assert int(bits[::-1], 2) == JTAG_IDCODE


def test_the_session_ends_when_it_is_told_to(target: JtagTarget) -> None:
    link = target.connect()
    assert link.receive(b"BbQR") == b""
    assert link.ended


@given(st.lists(st.sampled_from([*range(8), "R", "RR"]), max_size=120), st.data())
def test_answers_do_not_depend_on_how_the_stream_is_cut(
    characters: list[int | str], data: st.DataObject
) -> None:
    # Scans are done in one piece where the stream allows it; a character at a time they are not.
    stream = (ticks("0100") + "".join(map(str, characters)).encode()) * 2
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=5)))

    def answers(pieces: list[bytes]) -> tuple[bytes, TapState, int]:
        chain = TapChain([IdTap(4, JTAG_IDCODE, 0xE), IdTap(5, BOUNDARY_SCAN, 1)])
        link = connect(chain)
        return b"".join(map(link.receive, pieces)), chain.state, chain.tdo

    singly = answers([bytes([character]) for character in stream])
    assert answers([stream]) == singly
    bounds = [0, *cuts, len(stream)]
    assert answers([stream[a:b] for a, b in pairwise(bounds)]) == singly


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=200))
def test_whole_ticks_are_the_same_in_one_piece_and_singly(
    levels: list[tuple[bool, bool, bool]],
) -> None:
    stream = b"".join(
        ticks(str(int(tms)), str(int(tdi)), sampled=sampled) for tms, tdi, sampled in levels
    )
    results = []
    for pieces in ([stream], [bytes([character]) for character in stream]):
        chain = TapChain([IdTap(4, JTAG_IDCODE, 0xE), IdTap(5, BOUNDARY_SCAN, 1)])
        link = connect(chain)
        results.append((b"".join(map(link.receive, pieces)), chain.state, chain.tdo))
    assert results[0] == results[1]
