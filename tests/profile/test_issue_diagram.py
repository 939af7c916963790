"""The drawing of a block, cycle by cycle."""

from __future__ import annotations

from typing import get_args

import pytest

from usim.profile.attribution import charges
from usim.report.issue_diagram import EXPLAINED, diagram
from usim.timing.pipeline import StallReason

DIVIDES = (
    "volatile unsigned a = 1000, b = 3;\n"
    "int main(void) { unsigned x = a, y = b; for (int i = 0; i < 40; i++) { x = x / y + a; }\n"
    "return (int)(x & 0x7f); }"
)


@pytest.fixture
def hot_block(program, recorded):
    recording = recorded(program(DIVIDES, flags=("-fno-unroll-loops",)))
    return max(recording.blocks, key=lambda block: block.executions)


def test_every_reason_of_the_issue_model_is_explained():
    assert set(get_args(StallReason)) - {"", "pairs"} <= set(EXPLAINED)


def test_each_instruction_is_drawn_once_in_its_cycle(hot_block):
    lines = list(diagram(hot_block))
    for slot in hot_block.issued.slots:
        (line,) = [line for line in lines if f"  {slot.instruction.text} " in f"{line} "]
        assert line.split()[0] == str(slot.cycle)


def test_a_division_shows_how_long_it_takes(hot_block):
    (slot,) = [slot for slot in hot_block.issued.slots if slot.instruction.text.startswith("udiv")]
    (line,) = [line for line in diagram(hot_block) if "udiv" in line]
    assert f"takes {slot.instruction.issue_cycles} cycles" in line


def test_no_instruction_is_charged_less_than_nothing(mixed_profile, hot_block):
    for block in (*mixed_profile.recording.blocks, hot_block):
        assert all(charge.count >= charge.stall >= 0 for charge in charges(block))
