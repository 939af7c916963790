"""What issues together, and what an instruction costs in a long run of its like.

The figure is what one more copy of the code costs once the pipeline has settled, as in the
reference's measurements: a loop of many copies.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from assembled import START, Assembly, cycles_per_copy, cycles_per_loop, issue_cycles

from usim.timing.decode import decode
from usim.timing.pipeline import NEUTRAL, RESTARTED, issue, mispredict_cycles
from usim.timing.tables import DEFAULT_PARAMETERS, Parameters

# (rule, code, cycles a copy)
THROUGHPUT = [
    ("two ALU operations a cycle", "add.w r0, r1, r2; eor.w r3, r4, r5", 1),
    ("two plain shifts a cycle [J]", "lsl.w r0, r1, #2; lsr.w r3, r4, r5", 1),
    ("a chain of late ALU operations", "eor.w r0, r0, r1; eor.w r0, r0, r2", 2),
    ("a chain of early ALU and late ALU [J]", "add.w r0, r1, #1; eor.w r3, r3, r0", 1),
    ("two writers of one register [L]", "add.w r0, r1, r2; eor.w r0, r3, r4", 1),
    ("MOVW and MOVT of one register [J]", "movw r0, #1; movt r0, #2", 1),
    ("no two MACs [J]", "mul r0, r1, r2; smlad r3, r4, r5, r6", 2),
    ("MACs on one accumulator [J]", "smlad r0, r1, r2, r0; smlad r0, r3, r4, r0", 2),
    ("no MAC beside a store [J]", "mul r0, r1, r2; str.w r3, [r4]", 2),
    ("no store beside a MAC [J]", "str.w r3, [r4]; mul r0, r1, r2", 2),
    ("MAC beside a load", "smlad r0, r1, r2, r0; ldr.w r3, [r4]", 1),
    ("MAC in the older slot [J]", "mul r0, r1, r2; eor.w r3, r4, r5", 1),
    ("MAC in the younger slot [J]", "eor.w r3, r4, r5; mul r0, r1, r2", 1),
    ("MAC beside a DSP instruction [J]", "uxtb.w r3, r4; smlabb r0, r1, r2, r0", 1),
    ("MAC beside an inline shift [J]", "mla r0, r1, r2, r0; add.w r3, r4, r5, lsl #2", 1),
    ("division [L]", "sdiv r0, r1, r2", 7),
    ("loads from both banks [J]", "ldr.w r0, [r2]; ldr.w r1, [r2, #4]", 1),
    ("loads from one bank [J]", "ldr.w r0, [r2]; ldr.w r1, [r2, #8]", 2),
    ("byte loads from both banks [J]", "ldrb.w r0, [r2]; ldrb.w r1, [r2, #5]", 1),
    ("byte loads from one word [J]", "ldrb.w r0, [r2]; ldrb.w r1, [r2, #1]", 2),
    ("VLDRs from both banks [J]", "vldr s0, [r2]; vldr s1, [r2, #4]", 1),
    ("load with writeback and another", "ldr.w r0, [r1], #4; eor.w r2, r3, r4", 1),
    ("loads that walk one register", "ldr.w r0, [r1], #4; ldr.w r2, [r1], #4", 2),
    ("no two stores [J]", "str.w r0, [r1]; str.w r2, [r3]", 2),
    ("load beside a store [J]", "ldr.w r0, [r1]; str.w r2, [r3]", 1),
    ("store beside a load [J]", "str.w r2, [r3]; ldr.w r0, [r1]", 1),
    ("LDRD alone [J]", "ldrd r0, r1, [r2]; eor.w r3, r4, r5", 2),
    ("STRD alone [J]", "strd r0, r1, [r2]; eor.w r3, r4, r5", 2),
    ("LDM of 2 [J]", "ldm.w r8, {r0-r1}", 1),
    ("LDM of 5: ceil(5/2) [J]", "ldm.w r8, {r0-r4}", 3),
    ("LDM of 8 [J]", "ldm.w r8, {r0-r7}", 4),
    ("STM of 4 [J]", "stm.w r8, {r0-r3}", 2),
    ("PUSH of 5 and POP of 5 [J]", "push.w {r0-r3, r8}; pop.w {r0-r3, r8}", 6),
    ("VLDM of 4 [J]", "vldmia r8, {s0-s3}", 2),
    ("VPUSH of 2 doubles", "vpush {d8-d9}", 2),
    ("no two DSP instructions [J]", "uxtb.w r0, r1; sadd16 r2, r3, r4", 2),
    ("DSP in the older slot [J]", "uxtb.w r0, r1; eor.w r2, r3, r4", 1),
    ("bit field beside a plain shift", "ubfx r0, r1, #2, #3; lsl.w r2, r3, #4", 1),
    ("bit field, not beside an inline shift [J]",
     "ubfx r0, r1, #2, #3; add.w r2, r3, r4, lsl #4", 2),
    ("REV, not beside an inline shift [J]", "rev.w r0, r1; add.w r2, r3, r4, lsl #4", 2),
    ("UXTAB, not beside a shifted constant [J]", "uxtab r0, r1, r6; add.w r2, r3, #0x1fc0", 2),
    ("UXTB beside an inline shift [J]", "uxtb.w r0, r1; add.w r2, r3, r4, lsl #4", 1),
    ("NOP takes a slot [J]", "nop.w; nop.w", 1),
    ("IT takes a slot [J]", "it eq; addeq.w r0, r1, r2; nop.w", Fraction(3, 2)),
    ("a predicated LDM costs what it costs [J]", "it eq; ldmeq.w r8, {r0-r7}", 5),
    ("MRS [L]", "mrs r0, primask", 3),
    ("MSR [L]", "msr basepri, r0", 3),
    ("DMB [L]", "dmb", 3),
    ("DSB [L]", "dsb", 3),
    ("ISB [L]", "isb", 3),
    ("one FP operation a cycle [J]", "vadd.f32 s0, s1, s2; vmul.f32 s3, s4, s5", 2),
    ("FP beside integer [J]", "vadd.f32 s0, s1, s2; eor.w r0, r1, r2", 1),
    ("FP beside a load [J]", "vmul.f32 s0, s1, s2; vldr s3, [r0]", 1),
    ("no VLDR beside a MAC after MACs [J]", "vfma.f32 s0, s1, s2; vldr s3, [r0]", 3),
    ("no VLDR in the younger slot after MACs [J]",
     "vfma.f32 s0, s1, s2; eor.w r0, r1, r2; vfma.f32 s3, s4, s5; vldr s6, [r3]", 3),
    ("three independent MAC chains [J]",
     "vfma.f32 s0, s1, s2; vfma.f32 s3, s1, s2; vfma.f32 s4, s1, s2", 3),
    ("one MAC chain [J]", "vfma.f32 s0, s1, s2", 3),
    ("one VMLA chain [J]", "vmla.f32 s0, s1, s2", 3),
    ("VDIV blocks [J]", "vdiv.f32 s0, s1, s2", 16),
    ("VDIV with an integer instruction [J]", "vdiv.f32 s0, s1, s2; eor.w r0, r1, r2", 16),
    ("VSQRT blocks [J]", "vsqrt.f32 s0, s1", 14),
    ("VLDR Dd alone [J]", "vldr d0, [r0]; eor.w r1, r2, r3", 2),
    ("VSTR Dd alone [J]", "vstr d0, [r0]; eor.w r1, r2, r3", 2),
    ("VMOV of two registers alone [J]", "vmov r0, r1, s0, s1; eor.w r2, r3, r4", 2),
    ("no two VMOV #imm [J]", "vmov.f32 s0, #1.0; vmov.f32 s1, #2.0", 2),
]  # fmt: skip

# Second operands, and whether a pair of them can issue together: rows are the older one [J].
OPERAND2 = {
    "constant": ("eor.w r0, r1, #7", "eor.w r4, r5, #7"),
    "pattern": ("eor.w r0, r1, #0x1b1b1b1b", "eor.w r4, r5, #0x001b001b"),
    "shifted constant": ("eor.w r0, r1, #0x1fc0", "eor.w r4, r5, #0x1fc0"),
    "inline shift": ("eor.w r0, r1, r2, ror #24", "eor.w r4, r5, r6, lsl #3"),
    "shift by constant": ("lsr.w r0, r1, #12", "lsr.w r4, r5, #12"),
    "shift by register": ("ror.w r0, r1, r2", "ror.w r4, r5, r6"),
}
_TAKERS = {"shifted constant", "inline shift"}
_SHIFTERS = _TAKERS | {"shift by constant", "shift by register"}

LOOPS = {
    "subs and bne": "1: subs r0, #1; bne 1b",
    "branch last, all wide": "1: add.w r0, r0, #1; add.w r1, r1, #1; add.w r2, r2, #1; b.w 1b",
    "odd and narrow": "1: adds r0, #1; adds r1, #1; adds r2, #1; adds r3, #1; b.n 1b",
    "odd and wide": "1: add.w r0, r0, #1; add.w r1, r1, #1; b.w 1b",
    "not taken": "1: beq.w 1b; add.w r0, r1, r2",
    "two branches": "1: beq.w 1b; bne.w 1b",
    "table": "tbb [pc, r0]",
    "late flags": "1: add.w r1, r1, #1; add.w r2, r2, #1; subs.w r0, r0, #1; nop.w; bne.w 1b",
    "early flags": "1: subs.w r0, r0, #1; nop.w; nop.w; nop.w; nop.w; nop.w; bne.w 1b",
    "compare and branch": "subs.w r0, r0, #1; nop.w; nop.w; nop.w; nop.w; nop.w; "
    "cbz r0, 2f; nop; 2: nop",
}  # fmt: skip
_PAIRS = {
    (older, younger): f"{OPERAND2[older][0]}; {OPERAND2[younger][1]}"
    for older, younger in product(OPERAND2, OPERAND2)
}
assembly = Assembly(
    [text for _, text, _ in THROUGHPUT]
    + list(_PAIRS.values())
    + list(LOOPS.values())
    + ["nop.w; uxtb.w r0, r1", "nop.w; add.w r0, r1, r2; ldr.w r3, [r0]",
       "nop.w; lsl.w r0, r1, #2; ldr.w r3, [r0]",
       "eor.w r4, r5, r6, lsl #2; lsl.w r0, r1, #2; ldr.w r3, [r0]",
       "ldr.w r0, [r1]; ldr.w r2, [r3]", "vfma.f32 s0, s1, s2; vldr s3, [r0]"]
)  # fmt: skip


def _code(text: str) -> bytes:
    return assembly.code(text)


@pytest.mark.parametrize(
    ("text", "cycles"), [row[1:] for row in THROUGHPUT], ids=[row[0] for row in THROUGHPUT]
)
def test_a_copy_costs(text, cycles):
    assert cycles_per_copy(_code(text)) == cycles


@pytest.mark.parametrize(("older", "younger"), list(_PAIRS), ids=" + ".join)
def test_second_operands_pair_as_measured(older, younger):
    refused = older in _SHIFTERS and younger in _TAKERS
    first, second = issue_cycles(assembly(_PAIRS[older, younger]))
    assert second - first == int(refused)


def test_dsp_instruction_leaves_the_younger_slot_empty():
    assert issue_cycles(assembly("nop.w; uxtb.w r0, r1")) == [0, 1]


def test_add_in_the_younger_slot_runs_late():
    """So its address is there a cycle later than from the older slot."""
    assert issue_cycles(assembly("nop.w; add.w r0, r1, r2; ldr.w r3, [r0]")) == [0, 0, 2]


def test_shift_in_the_younger_slot_runs_early_if_the_shifter_is_free():
    assert issue_cycles(assembly("nop.w; lsl.w r0, r1, #2; ldr.w r3, [r0]")) == [0, 0, 1]


def test_shift_beside_an_inline_shift_runs_late():
    text = "eor.w r4, r5, r6, lsl #2; lsl.w r0, r1, #2; ldr.w r3, [r0]"
    assert issue_cycles(assembly(text)) == [0, 0, 2]


def test_loads_of_unknown_banks_pair_unless_told_otherwise():
    code = assembly("ldr.w r0, [r1]; ldr.w r2, [r3]")
    assert issue_cycles(code) == [0, 0]
    assert issue_cycles(code, Parameters(unknown_banks_conflict=True)) == [0, 1]


def test_what_a_division_takes_can_be_chosen():
    assert cycles_per_copy(_code("sdiv r0, r1, r2"), Parameters(divide=4)) == 4


def test_first_mac_shares_its_cycle_with_a_load():
    assert issue_cycles(assembly("vfma.f32 s0, s1, s2; vldr s3, [r0]")) == [0, 0]


# Branches.


@pytest.mark.parametrize(("offset", "cycles"), [(0, 1), (2, 1), (4, 1), (6, 2)])
def test_subs_bne_loop_takes_a_cycle_unless_it_starts_at_6_mod_8(offset, cycles):
    assert cycles_per_loop(assembly(LOOPS["subs and bne"], START + offset)) == cycles


def test_predicted_taken_branch_costs_its_slot_only():
    assert cycles_per_loop(assembly(LOOPS["branch last, all wide"])) == 2


def test_taken_branch_pairs_with_its_target_if_that_is_fetched_in_time():
    assert cycles_per_loop(assembly(LOOPS["odd and narrow"])) == Fraction(5, 2)


def test_taken_branch_does_not_pair_when_fetch_is_behind():
    assert cycles_per_loop(assembly(LOOPS["odd and wide"])) == 2


def test_pairing_with_the_target_can_be_switched_off():
    off = Parameters(branch_pairs_with_target=False)
    assert cycles_per_loop(assembly(LOOPS["odd and narrow"]), off) == 3


def test_branch_that_is_not_taken_pairs_with_the_next_instruction():
    assert issue_cycles(assembly(LOOPS["not taken"])) == [0, 0]


def test_two_branches_do_not_pair():
    assert issue_cycles(assembly(LOOPS["two branches"])) == [0, 1]


def test_table_branch_takes_two_cycles():
    assert issue(assembly(LOOPS["table"])).cycles == 2


@pytest.mark.parametrize(
    ("name", "cycles"), [("late flags", 8), ("early flags", 6), ("compare and branch", 8)]
)
def test_misprediction_costs_less_when_the_flags_are_three_cycles_old(name, cycles):
    instructions = assembly(LOOPS[name])
    end = next(n for n, one in enumerate(instructions) if one.branch == "conditional") + 1
    assert mispredict_cycles(issue(instructions[:end], NEUTRAL), DEFAULT_PARAMETERS) == cycles


def test_after_a_misprediction_nothing_is_fetched():
    instructions = decode(_code("nop.w; nop.w"), START + 4)
    assert issue(instructions, RESTARTED).cycles > issue(instructions, NEUTRAL).cycles
