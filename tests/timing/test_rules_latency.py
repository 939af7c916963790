"""Latencies: cycles from the issue of a producer to that of the instruction that needs its result.

Each row is a rule of the reference's tables; [J] measured, [L] LLVM's model, as in tables.py.
"""

from __future__ import annotations

import pytest
from assembled import Assembly, issue_cycles

# (rule, producer, consumer, cycles between them)
INTEGER = [
    ("late ALU to late ALU [J]", "eor.w r0, r1, r2", "eor.w r3, r3, r0", 1),
    ("early ADD to late ALU [J]", "add.w r0, r1, r2", "eor.w r3, r3, r0", 0),
    ("early SUB to late ALU [J]", "sub.w r0, r1, r2", "eor.w r3, r3, r0", 0),
    ("early MOV to late ALU [J]", "mov.w r0, r1", "eor.w r3, r3, r0", 0),
    ("early ADD of a plain constant [J]", "add.w r0, r1, #7", "eor.w r3, r3, r0", 0),
    ("early ADDW of a 12-bit constant [J]", "addw r0, r1, #0xff9", "eor.w r3, r3, r0", 0),
    ("early ADD of a pattern [J]", "add.w r0, r1, #0x00ff00ff", "eor.w r3, r3, r0", 0),
    ("no early ADD of a shifted constant [J]", "add.w r0, r1, #0x1fc0", "eor.w r3, r3, r0", 1),
    ("early plain shift by a constant [J]", "lsr.w r0, r1, #3", "eor.w r3, r3, r0", 0),
    ("early plain shift by a register [J]", "ror.w r0, r1, r2", "eor.w r3, r3, r0", 0),
    ("no early RRX [J]", "rrx r0, r1", "eor.w r3, r3, r0", 1),
    ("no early logical operation [J]", "and.w r0, r1, r2", "eor.w r3, r3, r0", 1),
    ("REV to late ALU [J]", "rev.w r0, r1", "eor.w r3, r3, r0", 0),
    ("RBIT to late ALU [J]", "rbit r0, r1", "eor.w r3, r3, r0", 0),
    ("REV to plain shift [L]", "rev.w r0, r1", "lsl.w r3, r0, #4", 1),
    ("REV to inline shift [L]", "rev.w r0, r1", "add.w r3, r4, r0, lsl #4", 2),
    ("REV to REV [J]", "rev.w r0, r1", "rev.w r3, r0", 2),
    ("REV to address [J]", "rev.w r0, r1", "ldr.w r3, [r0]", 2),
    ("writeback to late ALU [J]", "ldr.w r1, [r0], #4", "eor.w r3, r3, r0", 0),
    ("writeback to address", "ldr.w r1, [r0], #4", "str.w r3, [r0]", 1),
    ("inline shift to late ALU [J]", "add.w r0, r1, r2, lsl #3", "eor.w r3, r3, r0", 1),
    ("late ALU to the shifted register [J]", "eor.w r0, r1, r2", "add.w r3, r4, r0, lsl #3", 2),
    ("late ALU beside the shifted one [J]", "eor.w r0, r1, r2", "add.w r3, r0, r4, lsl #3", 1),
    ("early ALU to the shifted register [J]", "add.w r0, r1, r2", "add.w r3, r4, r0, lsl #3", 1),
    ("late ALU to plain shift", "eor.w r0, r1, r2", "lsl.w r3, r0, #3", 1),
    ("late ALU to base [L]", "eor.w r0, r1, r2", "ldr.w r3, [r0]", 2),
    ("late ALU to index", "eor.w r0, r1, r2", "ldr.w r3, [r4, r0]", 2),
    ("early ALU to base [L]", "add.w r0, r1, r2", "ldr.w r3, [r0]", 1),
    ("early ALU to index [J]", "add.w r0, r1, r2", "ldr.w r3, [r4, r0]", 1),
    ("late ALU to a store's base", "eor.w r0, r1, r2", "str.w r3, [r0]", 2),
    ("MOVW and MOVT of one register [J]", "movw r0, #1", "movt r0, #2", 0),
    ("flags to ADC: not in the same cycle [J]", "adds.w r0, r1, r2", "adc.w r3, r4, r5", 1),
    ("ADCS chain", "adcs.w r0, r1, r2", "adcs.w r3, r4, r5", 1),
    ("flags of a shifting compare [L]", "cmp.w r0, r1, lsl #2", "adc.w r3, r4, r5", 2),
    ("GE flags to SEL", "uadd8 r0, r1, r2", "sel r3, r4, r5", 1),
    ("late ALU to multiplicand [J]", "eor.w r0, r1, r2", "mul r3, r0, r4", 1),
    ("late ALU to accumulator [J]", "eor.w r0, r1, r2", "mla r3, r4, r5, r0", 0),
    ("MUL to late ALU [J]", "mul r0, r1, r2", "eor.w r3, r3, r0", 2),
    ("SMULL's high word to late ALU [J]", "smull r6, r0, r1, r2", "eor.w r3, r3, r0", 2),
    ("SMLAD to late ALU [J]", "smlad r0, r1, r2, r3", "eor.w r3, r3, r0", 2),
    ("MUL to multiplicand [J]", "mul r0, r1, r2", "mul r3, r0, r4", 2),
    ("MUL to inline shift", "mul r0, r1, r2", "add.w r3, r4, r0, lsl #3", 3),
    ("multiply to address [L]", "mul r0, r1, r2", "ldr.w r3, [r0]", 4),
    ("MLA chain [J]", "mla r0, r1, r2, r0", "mla r0, r3, r4, r0", 1),
    ("MLS chain [J]", "mls r0, r1, r2, r0", "mls r0, r3, r4, r0", 1),
    ("SMLAL chain [J]", "smlal r0, r1, r2, r3", "smlal r0, r1, r4, r5", 1),
    ("SMLALD chain [J]", "smlald r0, r1, r2, r3", "smlald r0, r1, r4, r5", 1),
    ("SMLABB chain [J]", "smlabb r0, r1, r2, r0", "smlabb r0, r3, r4, r0", 1),
    ("SMLAD chain [J]", "smlad r0, r1, r2, r0", "smlad r0, r3, r4, r0", 1),
    ("SMMLA chain [J]", "smmla r0, r1, r2, r0", "smmla r0, r3, r4, r0", 1),
    ("a MAC's sum as multiplicand [J]", "mla r0, r1, r2, r0", "mla r3, r0, r4, r5", 2),
    ("SSAT [L]", "ssat r0, #8, r1", "eor.w r3, r3, r0", 2),
    ("USAT [L]", "usat r0, #8, r1", "eor.w r3, r3, r0", 2),
    ("QADD [L]", "qadd r0, r1, r2", "eor.w r3, r3, r0", 2),
    ("QSUB [L]", "qsub r0, r1, r2", "eor.w r3, r3, r0", 2),
    ("QDADD [L]", "qdadd r0, r1, r2", "eor.w r3, r3, r0", 2),
    ("USAD8 [L]", "usad8 r0, r1, r2", "eor.w r3, r3, r0", 2),
    ("SSAT reads in EX1 [L]", "eor.w r0, r1, r2", "ssat r3, #8, r0", 2),
    ("QDADD reads in EX1 [L]", "eor.w r0, r1, r2", "qdadd r3, r4, r0", 2),
    ("QADD reads in EX2 [L]", "eor.w r0, r1, r2", "qadd r3, r4, r0", 1),
    ("USADA8's sum is needed late [L]", "usad8 r0, r1, r2", "usada8 r3, r4, r5, r0", 1),
    ("UXTB [J]", "uxtb.w r0, r1", "eor.w r3, r3, r0", 1),
    ("SXTB16 [J]", "sxtb16 r0, r1", "eor.w r3, r3, r0", 1),
    ("SADD16 [J]", "sadd16 r0, r1, r2", "eor.w r3, r3, r0", 1),
    ("CLZ [J]", "clz r0, r1", "eor.w r3, r3, r0", 1),
    ("UBFX [J]", "ubfx r0, r1, #3, #4", "eor.w r3, r3, r0", 1),
    ("UBFX reads in EX1 [J]", "eor.w r0, r1, r2", "ubfx r3, r0, #3, #4", 2),
    ("SBFX reads in EX1 [J]", "eor.w r0, r1, r2", "sbfx r3, r0, #3, #4", 2),
    ("BFI's inserted field, in EX1 [J]", "eor.w r0, r1, r2", "bfi r3, r0, #3, #4", 2),
    ("BFI's other bits, in EX2 [J]", "eor.w r0, r1, r2", "bfi r0, r3, #3, #4", 1),
    ("PKHBT's shifted half, in EX1 [J]", "eor.w r0, r1, r2", "pkhbt r3, r4, r0, lsl #1", 2),
    ("PKHBT's other half, in EX2 [J]", "eor.w r0, r1, r2", "pkhbt r3, r0, r4, lsl #1", 1),
    ("PKHTB's first half, in EX1 [J]", "eor.w r0, r1, r2", "pkhtb r3, r0, r4, asr #1", 2),
    ("UXTAB's extracted byte, in EX1 [J]", "eor.w r0, r1, r2", "uxtab r3, r4, r0", 2),
    ("UXTAB's summand, in EX2 [J]", "eor.w r0, r1, r2", "uxtab r3, r0, r4", 1),
    ("SXTAB16 [J]", "sxtab16 r0, r1, r2", "eor.w r3, r3, r0", 1),
    ("UXTB to address [J]", "uxtb.w r0, r1", "ldr.w r3, [r4, r0]", 2),
    ("UBFX to address [J]", "ubfx r0, r1, #3, #4", "ldr.w r3, [r0]", 2),
    ("SSAT to address", "ssat r0, #8, r1", "ldr.w r3, [r0]", 3),
]  # fmt: skip

LOADS = [
    ("LDR to late ALU [J]", "ldr.w r0, [r1]", "eor.w r3, r3, r0", 1),
    ("LDR to plain shift [J]", "ldr.w r0, [r1]", "lsl.w r3, r0, #3", 1),
    ("LDR to inline shift [J]", "ldr.w r0, [r1]", "add.w r3, r4, r0, lsl #3", 2),
    ("LDR beside an inline shift [J]", "ldr.w r0, [r1]", "add.w r3, r0, r4, lsl #3", 2),
    ("LDR to UXTAB [J]", "ldr.w r0, [r1]", "uxtab r3, r0, r4", 2),
    ("LDR to MUL [J]", "ldr.w r0, [r1]", "mul r3, r0, r4", 2),
    ("LDR to SDIV [L]", "ldr.w r0, [r1]", "sdiv r3, r0, r4", 2),
    ("LDR to base [L]", "ldr.w r0, [r1]", "ldr.w r3, [r0]", 2),
    ("LDR to index [L]", "ldr.w r0, [r1]", "ldr.w r3, [r4, r0]", 3),
    ("LDRB to late ALU [J]", "ldrb.w r0, [r1]", "eor.w r3, r3, r0", 2),
    ("LDRH to late ALU [J]", "ldrh.w r0, [r1]", "eor.w r3, r3, r0", 2),
    ("LDRSB to late ALU [J]", "ldrsb.w r0, [r1]", "eor.w r3, r3, r0", 2),
    ("LDRSH to late ALU [J]", "ldrsh.w r0, [r1]", "eor.w r3, r3, r0", 2),
    ("LDRB to early ALU only [J]", "ldrb.w r0, [r1]", "ubfx r3, r0, #1, #2", 3),
    ("LDRB to MUL [J]", "ldrb.w r0, [r1]", "mul r3, r0, r4", 2),
    ("LDRB to accumulator [J]", "ldrb.w r0, [r1]", "mla r3, r4, r5, r0", 1),
    ("LDRD's second word [J, key schedule]", "ldrd r1, r0, [r2]", "eor.w r3, r3, r0", 1),
    ("LDM's first register [J]", "ldm.w r6, {r0-r3}", "eor.w r4, r4, r0", 2),
    ("LDM's last register [J]", "ldm.w r6, {r0-r3}", "eor.w r4, r4, r3", 2),
    ("store of a same-cycle result [J]", "eor.w r0, r1, r2", "str.w r0, [r3]", 0),
    ("store of a same-cycle LDR [J]", "ldr.w r0, [r1]", "str.w r0, [r3]", 0),
    ("store of a same-cycle LDRB [J]", "ldrb.w r0, [r1]", "strb.w r0, [r3]", 0),
    ("store to load of one address [L]", "str.w r0, [r1, #8]", "ldr.w r3, [r1, #8]", 4),
    ("store to load of another address", "str.w r0, [r1, #8]", "ldr.w r3, [r1, #12]", 0),
    ("STRD to load of its second word [L]", "strd r0, r2, [r1, #8]", "ldr.w r3, [r1, #12]", 4),
]  # fmt: skip

FLOATING_POINT = [
    ("VADD to VADD [J]", "vadd.f32 s0, s1, s2", "vadd.f32 s3, s3, s0", 3),
    ("VMUL to VADD [J]", "vmul.f32 s0, s1, s2", "vadd.f32 s3, s3, s0", 3),
    ("VADD to VMUL [J]", "vadd.f32 s0, s1, s2", "vmul.f32 s3, s3, s0", 3),
    ("VMUL to VMUL [J]", "vmul.f32 s0, s1, s2", "vmul.f32 s3, s3, s0", 3),
    ("VFMA to VMUL [J]", "vfma.f32 s0, s1, s2", "vmul.f32 s3, s3, s0", 5),
    ("VMLA to VMUL [J]", "vmla.f32 s0, s1, s2", "vmul.f32 s3, s3, s0", 6),
    ("VFMA to VFMA's accumulator [J]", "vfma.f32 s0, s1, s2", "vfma.f32 s0, s3, s4", 3),
    ("VFMA to VMLA's accumulator [J]", "vfma.f32 s0, s1, s2", "vmla.f32 s0, s3, s4", 2),
    ("VMLA to VMLA's accumulator [J]", "vmla.f32 s0, s1, s2", "vmla.f32 s0, s3, s4", 3),
    ("VADD to VFMA's accumulator [J]", "vadd.f32 s0, s1, s2", "vfma.f32 s0, s3, s4", 3),
    ("VADD to VMLA's accumulator [J]", "vadd.f32 s0, s1, s2", "vmla.f32 s0, s3, s4", 2),
    ("VMUL to VFMA's accumulator [J]", "vmul.f32 s0, s1, s2", "vfma.f32 s0, s3, s4", 3),
    ("VMUL to VMLA's accumulator [J]", "vmul.f32 s0, s1, s2", "vmla.f32 s0, s3, s4", 2),
    ("VFMA to VFMA's multiplicand [J]", "vfma.f32 s0, s1, s2", "vfma.f32 s3, s0, s4", 5),
    ("VFMA to VMLA's multiplicand [J]", "vfma.f32 s0, s1, s2", "vmla.f32 s3, s0, s4", 5),
    ("VMLA to VMLA's multiplicand [J]", "vmla.f32 s0, s1, s2", "vmla.f32 s3, s0, s4", 6),
    ("VADD to VFMA's multiplicand [J]", "vadd.f32 s0, s1, s2", "vfma.f32 s3, s0, s4", 3),
    ("VMUL to VMLA's multiplicand [J]", "vmul.f32 s0, s1, s2", "vmla.f32 s3, s0, s4", 3),
    ("VFMA to VSTR [J]", "vfma.f32 s0, s1, s2", "vstr s0, [r0]", 3),
    ("VMLA to VSTR [J]", "vmla.f32 s0, s1, s2", "vstr s0, [r0]", 4),
    ("VADD to VSTR [J]", "vadd.f32 s0, s1, s2", "vstr s0, [r0]", 1),
    ("VMUL to VSTR [J]", "vmul.f32 s0, s1, s2", "vstr s0, [r0]", 1),
    ("VADD waits after VFMA [J]", "vfma.f32 s0, s1, s2", "vadd.f32 s3, s4, s5", 4),
    ("VADD waits after VMLA [J]", "vmla.f32 s0, s1, s2", "vadd.f32 s3, s4, s5", 4),
    ("VLDM waits after VFMA [J]", "vfma.f32 s0, s1, s2", "vldmia r0, {s4-s5}", 4),
    ("VSTM waits after VFMA [J]", "vfma.f32 s0, s1, s2", "vstmia r0, {s4-s5}", 4),
    ("VMOV #imm waits after VFMA [J]", "vfma.f32 s0, s1, s2", "vmov.f32 s4, #1.0", 4),
    ("VLDR Dd waits after VFMA [J]", "vfma.f32 s0, s1, s2", "vldr d4, [r0]", 4),
    ("VMUL doesn't wait after VFMA [J]", "vfma.f32 s0, s1, s2", "vmul.f32 s3, s4, s5", 1),
    ("VFMA waits after VMLA [J]", "vmla.f32 s0, s1, s2", "vfma.f32 s3, s4, s5", 2),
    ("VLDR to VADD [J]", "vldr s0, [r0]", "vadd.f32 s3, s3, s0", 1),
    ("VLDR to VFMA's accumulator [J]", "vldr s0, [r0]", "vfma.f32 s0, s3, s4", 3),
    ("VLDR to VMLA's accumulator [J]", "vldr s0, [r0]", "vmla.f32 s0, s3, s4", 2),
    ("VMOV Sd, Rt to VADD [J]", "vmov s0, r0", "vadd.f32 s3, s3, s0", 3),
    ("VMOV Sd, Rt to VFMA's accumulator [J]", "vmov s0, r0", "vfma.f32 s0, s3, s4", 3),
    ("late ALU to VMOV Sd, Rt [J]", "eor.w r0, r1, r2", "vmov s0, r0", 1),
    ("early ALU to VMOV Sd, Rt [J]", "add.w r0, r1, r2", "vmov s0, r0", 1),
    ("MUL to VMOV Sd, Rt [J]", "mul r0, r1, r2", "vmov s0, r0", 1),
    ("VMOV Rt, Sn to late ALU [J]", "vmov r0, s0", "eor.w r1, r1, r0", 1),
    ("VMOV Rt, Sn to accumulator [J]", "vmov r0, s0", "mla r1, r2, r3, r0", 0),
    ("VADD to VMOV Rt, Sn [J]", "vadd.f32 s0, s1, s2", "vmov r0, s0", 3),
    ("VLDR to VMOV Rt, Sn [J]", "vldr s0, [r0]", "vmov r1, s0", 2),
    ("VFMA to VMOV Rt, Sn [J]", "vfma.f32 s0, s1, s2", "vmov r0, s0", 5),
    ("VMOV Sd, Sm [J]", "vmov.f32 s0, s1", "vadd.f32 s3, s3, s0", 3),
    ("VLDR to VMOV Sd, Sm [J]", "vldr s0, [r0]", "vmov.f32 s1, s0", 1),
    ("VCMP to VMRS", "vcmp.f32 s0, s1", "vmrs apsr_nzcv, fpscr", 3),
    ("VDIV [J]", "vdiv.f32 s0, s1, s2", "vadd.f32 s3, s3, s0", 16),
    ("VSQRT [J]", "vsqrt.f32 s0, s1", "vadd.f32 s3, s3, s0", 14),
]  # fmt: skip

RULES = INTEGER + LOADS + FLOATING_POINT
PREDICATED = [
    ("predicated ALU [L]", "it eq; addeq.w r0, r1, r2; eor.w r3, r3, r0", 2),
    ("predicated LDR [L]", "it eq; ldreq.w r0, [r1]; eor.w r3, r3, r0", 2),
    ("predicated LDRB: at most 3 [L]", "it eq; ldrbeq.w r0, [r1]; eor.w r3, r3, r0", 3),
    ("predicated MUL: at most 3 [L]", "it eq; muleq r0, r1, r2; eor.w r3, r3, r0", 3),
    ("same predicate", "itt eq; andeq.w r0, r1, r2; eoreq.w r3, r3, r0", 1),
    ("the opposite predicate runs as the same one [L]",
     "ite eq; andeq.w r0, r1, r2; eorne.w r3, r3, r0", 1),
    ("a shifting compare's flags, only predicated on [L]",
     "cmp.w r0, r1, lsl #2; it eq; addeq.w r3, r3, r4", 1),
]  # fmt: skip
assembly = Assembly(
    [f"{producer}; {consumer}" for _, producer, consumer, _ in RULES]
    + [text for _, text, _ in PREDICATED]
)


@pytest.mark.parametrize(
    ("producer", "consumer", "cycles"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
def test_consumer_issues_when_the_result_is_there(producer, consumer, cycles):
    first, second = issue_cycles(assembly(f"{producer}; {consumer}"))
    assert second - first == cycles


@pytest.mark.parametrize(
    ("text", "cycles"), [row[1:] for row in PREDICATED], ids=[row[0] for row in PREDICATED]
)
def test_predicated_producer_and_consumer(text, cycles):
    issued = issue_cycles(assembly(text))
    producer = 0 if "cmp" in text else 1
    assert issued[-1] - issued[producer] == cycles
