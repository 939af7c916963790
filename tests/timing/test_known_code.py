"""What is kept on disk about code that ran before: it says the same, and only of the same code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

import usim
from usim import demo
from usim.timing.addresses import find_accesses
from usim.timing.block_price import price_block
from usim.timing.known_code import KnownCode, announce, known_code, retract
from usim.timing.known_code_format import Answers, as_json, from_json
from usim.timing.pipeline import NEUTRAL
from usim.timing.tables import DEFAULT_PARAMETERS

# ldr r0, [r1, #4]; str r0, [r2, r3]; subs r3, #4; bne to the start: from objdump.
_CODE = bytes.fromhex("4868d050043bfbd1")
_ADDRESS = 0x2000


def _never() -> NoReturn:
    raise AssertionError("computed again")


@pytest.mark.usefixtures("cache_dir")
def test_what_was_found_is_there_for_the_next_process() -> None:
    block = _ADDRESS, len(_CODE)
    price = price_block(_CODE, _ADDRESS, NEUTRAL, DEFAULT_PARAMETERS)
    accesses = find_accesses(_CODE, _ADDRESS)
    first = KnownCode(_ADDRESS, _CODE)
    assert first.price(block, NEUTRAL, lambda: price) == price
    assert first.accesses(block, 0, lambda: accesses) == accesses
    first.keep()
    second = KnownCode(_ADDRESS, _CODE)
    assert second.price(block, NEUTRAL, _never) == price
    assert second.accesses(block, 0, _never) == accesses
    for other in (KnownCode(_ADDRESS + 4, _CODE), KnownCode(_ADDRESS, _CODE + b"\0\0")):
        with pytest.raises(AssertionError, match="computed again"):
            other.price(block, NEUTRAL, _never)
    with pytest.raises(AssertionError, match="computed again"):
        second.price(block, price.jumped_state, _never)


def test_answers_survive_json_with_every_state_of_a_chain_of_blocks() -> None:
    answers, state = Answers(), NEUTRAL
    for step in range(8):
        price = price_block(_CODE, _ADDRESS, state, DEFAULT_PARAMETERS)
        answers.prices[_ADDRESS, len(_CODE), state] = price
        answers.accesses[_ADDRESS, len(_CODE), step % 3] = find_accesses(_CODE, _ADDRESS, step % 3)
        state = price.jumped_state
    assert from_json(json.loads(json.dumps(as_json(answers)))) == answers


def test_memory_that_holds_other_bytes_by_now_is_not_known_code() -> None:
    known = announce(_ADDRESS, _CODE)
    try:
        assert known_code(_CODE[2:6], _ADDRESS + 2) is known
        assert known_code(_CODE[2:6], _ADDRESS + 4) is None
        assert known_code(_CODE[:4], _ADDRESS - 2) is None
    finally:
        retract(known)
    assert known_code(_CODE, _ADDRESS) is None


def test_a_model_counts_the_same_when_its_blocks_are_known(cache_dir: Path) -> None:
    stored = np.random.default_rng(3).integers(-128, 128, (1, 32, 32, 3), np.int8)
    found = []
    for _ in range(2):
        with usim.Session() as session:
            profile = session.load_model(demo.MODEL).profile(stored)
        found.append([layer.count for layer in profile.layers])
    assert found[0] == found[1]
    assert cache_dir.is_dir()
    assert known_code(b"", 0) is None  # a closed session leaves nothing announced
