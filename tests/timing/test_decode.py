"""What the decoder makes of instructions: class, operands and their roles, branches, memory."""

from __future__ import annotations

import pytest
from assembled import START, Assembly

from usim.timing.decode import decode

# (instruction, class, operands read as register:role, registers written)
OPERANDS = [
    ("adds r0, r1", "alu_early", "r0:plain r1:plain", "r0 flags"),
    ("add sp, r0", "alu_early", "sp:plain r0:plain", "sp"),
    ("sub sp, #8", "alu_early", "sp:plain", "sp"),
    ("add r0, sp, #8", "alu_early", "sp:plain", "r0"),
    ("mov.w r0, r1, lsl #3", "shift", "r1:shift", "r0"),
    ("lsls r0, r1", "shift", "r0:shift r1:shift", "r0 flags"),
    ("mvn.w r0, r1, lsl #3", "alu_inline_shift", "r1:shifted", "r0"),
    ("add.w r0, r1, r1, lsl #3", "alu_inline_shift", "r1:beside_shift r1:shifted", "r0"),
    ("cmp.w r0, r1, lsl #2", "alu_inline_shift", "r0:beside_shift r1:shifted", "flags"),
    ("tst r0, r1", "alu", "r0:plain r1:plain", "flags"),
    ("movw r0, #0x1234", "alu_early", "", "r0"),
    ("movt r0, #0x1234", "alu", "r0:plain", "r0"),
    ("mov.w r0, #0x1fc0", "alu_shifted_constant", "", "r0"),
    ("eor.w r0, r1, #0x1b1b1b1b", "alu", "r1:plain", "r0"),
    ("adcs.w r0, r1, r2", "alu", "r1:plain r2:plain flags:flags", "r0 flags"),
    ("bfi r0, r1, #4, #8", "bitfield_insert", "r0:beside_shift r1:shifted", "r0"),
    ("bfc r0, #4, #8", "bitfield_insert", "r0:beside_shift", "r0"),
    ("ubfx r0, r1, #4, #8", "bitfield", "r1:shifted", "r0"),
    ("uxtb.w r0, r1, ror #8", "extend", "r1:plain", "r0"),
    ("uxtab16 r0, r1, r2", "extend_add", "r1:beside_shift r2:shifted", "r0"),
    ("ssat r0, #8, r1, asr #3", "saturate", "r1:shifted", "r0"),
    ("uadd8 r0, r1, r2", "simd", "r1:plain r2:plain", "r0 ge"),
    ("sel r0, r1, r2", "simd", "r1:plain r2:plain ge:flags", "r0"),
    ("muls r0, r1, r0", "multiply", "r1:multiplicand r0:multiplicand", "r0 flags"),
    ("mla r0, r1, r2, r3", "multiply", "r1:multiplicand r2:multiplicand r3:accumulator", "r0"),
    ("smull r0, r1, r2, r3", "multiply", "r2:multiplicand r3:multiplicand", "r0 r1"),
    ("smlal r0, r1, r2, r3", "multiply",
     "r2:multiplicand r3:multiplicand r0:accumulator r1:accumulator", "r0 r1"),
    ("smlald r0, r1, r2, r3", "multiply",
     "r2:multiplicand r3:multiplicand r0:accumulator r1:accumulator", "r0 r1"),
    ("umaal r0, r1, r2, r3", "multiply",
     "r2:multiplicand r3:multiplicand r0:accumulator r1:accumulator", "r0 r1"),
    ("ldr.w r0, [r1, r2, lsl #2]", "load_word", "r1:address r2:index", "r0"),
    ("ldrd r0, r1, [r2]", "load_double", "r2:address", "r0 r1"),
    ("ldm.w r0, {r1-r4}", "load_multiple", "r0:address", "r1 r2 r3 r4"),
    ("str r1, [r1, r2]", "store", "r1:store r1:address r2:index", ""),
    ("strex r0, r1, [r2]", "store_exclusive", "r1:store r2:address", "r0"),
    ("bl 1f; 1:", "branch", "", "lr"),
    ("cbz r0, 1f; nop; 1:", "compare_branch", "", ""),
    ("tbb [pc, r0]", "table_branch", "r0:index", ""),
    ("nop", "nop", "", ""),
    ("nop.w", "nop", "", ""),
    ("wfi", "system", "", ""),
    ("msr basepri, r0", "system", "r0:plain", ""),
    ("mrs r0, primask", "system", "", "r0"),
    ("vldr s0, [r0]", "fp_load", "r0:address", "s0"),
    ("vldr d1, [r0]", "fp_load_double", "r0:address", "s2 s3"),
    ("vstr d1, [r0]", "fp_store_multiple", "s2:fp_store s3:fp_store r0:address", ""),
    ("vfma.f32 s0, s1, s2", "fp_fma", "s1:fp s2:fp s0:fma_accumulator", "s0"),
    ("vnmls.f32 s0, s1, s2", "fp_mla", "s1:fp s2:fp s0:mla_accumulator", "s0"),
    ("vcmp.f32 s0, s1", "fp_add", "s0:fp s1:fp", "fpscr"),
    ("vmrs apsr_nzcv, fpscr", "fp_to_core", "fpscr:to_core", "flags"),
    ("vcvt.s32.f32 s0, s1", "fp_add", "s1:fp", "s0"),
    ("vmov s0, r0", "fp_from_core", "r0:to_fp", "s0"),
    ("vmov r0, s0", "fp_to_core", "s0:to_core", "r0"),
    ("vmov.f32 s0, s1", "fp_copy", "s1:fp_copy", "s0"),
    ("vmov.f32 s0, #1.0", "fp_constant", "", "s0"),
    ("vmov r0, r1, s2, s3", "fp_two_to_core", "s2:to_core s3:to_core", "r0 r1"),
    ("vmov d1, r0, r1", "fp_two_from_core", "r0:to_fp r1:to_fp", "s2 s3"),
]  # fmt: skip

# (instruction, register list read, base written back, words moved)
LISTS = [
    ("ldr r0, [r1], #4", "r1", "r1", 1),
    ("str.w r0, [r1, #4]!", "r0 r1", "r1", 1),
    ("strd r0, r1, [r2], #8", "r0 r1 r2", "r2", 2),
    ("stmdb r0!, {r1-r4}", "r1 r2 r3 r4 r0", "r0", 4),
    ("push {r4-r6, lr}", "r4 r5 r6 lr sp", "sp", 4),
    ("pop {r4-r6, pc}", "sp", "sp", 4),
    ("push.w {r8}", "r8 sp", "sp", 1),
    ("vpush {d8-d9}", "s16 s17 s18 s19 sp", "sp", 4),
    ("vpop {s16-s18}", "sp", "sp", 3),
    ("vldmia r0!, {s0-s3}", "r0", "r0", 4),
    ("vstmia r0!, {d0}", "s0 s1 r0", "r0", 2),
    ("vstmia r0, {s0-s1}", "s0 s1 r0", "", 2),
]

BRANCHES = [
    ("b.n 1f; nop; 1:", "direct", START + 4),
    ("beq.w 1f; nop; 1:", "conditional", START + 6),
    ("cbnz r0, 1f; nop; 1:", "conditional", START + 4),
    ("bl 1f; 1:", "call", START + 4),
    ("blx r3", "call", None),
    ("bx lr", "return", None),
    ("bx r3", "indirect", None),
    ("mov pc, r0", "indirect", None),
    ("ldr.w pc, [r0]", "indirect", None),
    ("ldr pc, [sp], #4", "return", None),
    ("pop {r4, pc}", "return", None),
    ("tbh [pc, r0, lsl #1]", "indirect", None),
    ("adds r0, r1", "none", None),
]
_MORE = [
    "ldr.w r0, 1f; .balign 4; 1: .word 0", "itte eq; addeq r0, r1; ldreq r0, [r1]; movne r0, r2",
    "it ne; bne.n 1f; 1:", ".inst.n 0xde00", ".inst.w 0xec400f00",
]  # fmt: skip
assembly = Assembly(
    [row[0] for row in OPERANDS] + [row[0] for row in LISTS] + [row[0] for row in BRANCHES] + _MORE
)


@pytest.mark.parametrize(
    ("text", "class_name", "reads", "writes"), OPERANDS, ids=[row[0] for row in OPERANDS]
)
def test_operands_and_their_roles(text, class_name, reads, writes):
    one = assembly(text)[0]
    assert one.class_name == class_name
    assert {f"{source.register}:{source.role}" for source in one.sources} == set(reads.split())
    assert one.results == tuple(writes.split())


@pytest.mark.parametrize(("text", "reads", "base", "words"), LISTS, ids=[row[0] for row in LISTS])
def test_register_lists_and_writeback(text, reads, base, words):
    one = assembly(text)[0]
    assert {source.register for source in one.sources} == set(reads.split())
    assert one.early_results == tuple(base.split())
    assert one.memory is not None
    assert one.memory.words == words
    if one.timing.alone:
        assert one.issue_cycles == (words + 1) // 2


@pytest.mark.parametrize(("text", "kind", "target"), BRANCHES, ids=[row[0] for row in BRANCHES])
def test_branches_and_targets(text, kind, target):
    one = assembly(text)[0]
    assert (one.branch, one.target) == (kind, target)


@pytest.mark.parametrize("offset", [0, 2])
def test_literal_load_knows_its_address(offset):
    one = assembly(_MORE[0], START + offset)[0]
    assert one.memory is not None
    assert (one.memory.base, one.memory.displacement) == ("pc", START + 4)


def test_instructions_of_an_it_block_read_the_flags_and_carry_their_condition():
    it, add, load, move = assembly(_MORE[1])
    assert it.predicate == 0
    assert add.predicate == load.predicate == move.predicate != 0  # EQ and NE run as one
    for one in (add, load, move):
        assert "flags:predicate" in {f"{s.register}:{s.role}" for s in one.sources}
    assert "flags" not in add.results  # ADDS outside, ADDEQ inside


def test_branch_in_an_it_block_has_the_right_target():
    assert assembly(_MORE[2])[1].target == START + 4


def test_the_same_encoding_elsewhere_is_the_same_but_for_addresses():
    code = assembly.code("b.n 1f; nop; 1:")
    here, there = decode(code, START), decode(code, START + 0x100)
    assert there[0].target == here[0].target + 0x100
    assert there[1].end == START + 0x104
    assert "0x8000104" in there[0].text


def test_what_cannot_be_read_counts_as_a_system_instruction():
    (unknown,) = assembly(".inst.w 0xec400f00")
    assert (unknown.class_name, unknown.size_bytes) == ("system", 4)


def test_half_an_instruction_at_the_end_is_still_one():
    code = assembly.code("nop.w")
    assert len(decode(code[:2], START)) == 1
