"""Where loads and stores go, found from the code, against what the emulator does."""

from __future__ import annotations

import numpy as np
import pytest
from access_truth import AccessRecorder, BlockRun, EnoughError
from machine import ITCM, SRAM, SRAM_DATA, machine, machine_code

import usim
from usim.timing.addresses import Linear, find_accesses
from usim.timing.linear import MAX_CELLS
from usim.timing.memory import LINE_BYTES

# r0 points at data; r1 is an index, r2 another pointer; r3-r7 are data.
REGISTERS = {
    **{f"r{i}": 0x1111 * i for i in range(3, 13)},
    "r0": SRAM_DATA + 0x400,
    "r1": 12,
    "r2": SRAM_DATA + 0x800,
}
ADDRESSING = [
    "ldr r3, [r0]",
    "ldr r3, [r0, #124]",
    "ldr.w r3, [r0, #2000]",
    "ldr r3, [r0, #-60]",
    "strb r3, [r0, #31]",
    "strh.w r3, [r0, #-2]",
    "ldr r3, [r0, r1]",
    "ldr.w r3, [r0, r1, lsl #2]",
    "ldrsb.w r3, [r0, r1, lsl #3]",
    "str.w r3, [r0, r1, lsl #1]",
    "ldr r3, [r0, #36]!; ldr r4, [r0]",
    "ldr r3, [r0, #-36]!; ldr r4, [r0]",
    "ldr r3, [r0], #36; ldr r4, [r0]",
    "ldrb r3, [r0], #-33; ldrb r4, [r0]",
    "str r3, [r0, #64]!; strh r3, [r0], #32; str r3, [r0]",
    "ldr r3, 1f; ldr.w r4, 1f; b 2f; .balign 4; 1: .word 0x12345678; 2: nop",
    "nop; ldr r3, 1f; b 2f; .balign 4; 1: .word 0x12345678; 2: nop",
    "ldrd r3, r4, 1f; b 2f; .balign 4; 1: .word 1, 2; 2: nop",
    "ldm r0, {r3-r8}",
    "ldm r0!, {r3-r7}; ldr r8, [r0]",
    "ldmdb r0, {r3-r8}",
    "ldmdb r0!, {r3-r8}; ldr r8, [r0]",
    "stm r0!, {r3-r7}; str r8, [r0]",
    "stmdb r0, {r3-r8}",
    "stmdb r0!, {r3-r10}; str r8, [r0, #-4]",
    "ldm r0, {r0, r3}; mov r4, r3",
    "push {r3-r7, lr}; ldr r3, [sp, #8]; pop {r3-r7, lr}; str r3, [sp, #-8]",
    "push.w {r4-r11}; pop.w {r4-r11}; ldr r3, [sp]",
    "str r3, [sp, #-32]!; ldr r4, [sp]; ldr r3, [sp], #32; ldr r4, [sp, #-64]",
    "ldrd r3, r4, [r0, #24]",
    "ldrd r3, r4, [r0, #-40]!; ldr r5, [r0]",
    "strd r3, r4, [r0], #40; str r5, [r0]",
    "vldr s0, [r0, #28]; vstr s0, [r0, #-32]",
    "vldr d0, [r0, #28]; vstr d0, [r0, #60]",
    "vldmia r0!, {s0-s9}; vldr s0, [r0]",
    "vstmia r0!, {d0-d5}; vstr s0, [r0]",
    "vldmdb r0!, {s0-s9}; vldr s0, [r0]",
    "vstmdb r0!, {s0-s9}; vstr s0, [r0]",
    "vpush {d8-d12}; ldr r3, [sp]; vpop {d8-d12}; ldr r3, [sp, #-4]",
    "vpush {s16-s20}; ldr r3, [sp]; vpop {s16-s20}; str r3, [sp, #-4]",
    "movs r3, #1; tbb [pc, r3]; .byte 1, 2, 3, 4; nop; nop; nop",
    "movs r3, #1; nop; tbh [pc, r3, lsl #1]; .short 2, 3; nop; nop; nop",
    "movs r3, #0; strb r3, [r2, r1]; tbb [r2, r1]; nop; nop",
    "ldrt r3, [r0, #4]; strbt r3, [r0, #35]; ldrht r3, [r0, #62]; ldrsbt r3, [r0, #99]",
]
EXCLUSIVE = [
    "ldrex r3, [r0, #32]; strex r4, r5, [r0, #32]",
    "ldrexb r3, [r0]; strexb r4, r5, [r0]",
    "ldrexh r3, [r2]; strexh r4, r5, [r2]",
]
UNALIGNED = [
    "ldr r3, [r0, #30]",
    "str r3, [r0, #29]",
    "ldrh r3, [r0, #31]",
    "ldr.w r3, [r0, r1, lsl #1]; ldr r3, [r0, #-2]",
]
PREDICATED = [
    "cmp r0, r0; ite eq; ldreq r3, [r0]; ldrne r3, [r0, #64]",
    "cmp r0, r1; ittee eq; streq r3, [r0]; ldreq r4, [r0, #4]; strne r3, [r0, #96]; ldrne r4, [r2]",
    "cmp r0, r0; it ne; ldrne r3, [r0], #64; ldr r4, [r0]",
    "cmp r0, r0; it eq; ldreq r3, [r0], #64; ldr r4, [r0]",
    "cmp r0, r0; it ne; addne r0, #64; ldr r4, [r0]",
    "cmp r0, r0; it eq; addeq r0, #64; ldr r4, [r0]",
    "cmp r0, r1; it eq; moveq r0, r3; str r4, [r0, #4]",
    "cmp r0, r0; itt ne; pushne {r3, r4}; popne {r3, r4}; push {r3}; pop {r3}",
    "cmp r0, r0; it ne; stmdbne r0!, {r3-r5}; ldr r3, [r0]",
]
DATAFLOW = [
    "adds r0, #64; ldr r3, [r0]",
    "add.w r3, r0, #100; subs r3, #40; ldr r4, [r3, #4]",
    "subw r3, r0, #1000; ldr r4, [r3]",
    "mov r3, r0; ldr r4, [r3, #8]!; ldr r4, [r3]",
    "add r3, r0, r1; ldr r4, [r3, r1]; ldr r4, [r3, #32]",
    "add.w r3, r0, r1, lsl #4; ldr r4, [r3]",
    "add r3, r1, r1; add r3, r3, r0; ldr r4, [r3]",
    "add.w r3, r0, r1, lsr #1; ldr r4, [r3]",
    "sub r3, r0, r1; ldr r4, [r3]",
    "rsb r3, r1, r0; ldr r4, [r3]",
    "lsl r3, r1, #3; ldr r4, [r0, r3]",
    "lsl r3, r1, #30; lsl r3, r3, #3; ldr.w r4, [r0, r3, lsl #2]",
    "add.w r3, r0, r1, lsl #31; ldr r4, [r3]",
    "mov r3, #64; ldr r4, [r0, r3]",
    "movw r3, #0x8410; movt r3, #0x2002; ldr r4, [r3]; add r3, r1; ldr r4, [r3]",
    "mov r3, r0; movt r3, #0x2002; ldr r4, [r3]",
    "str r2, [r0]; ldr r3, [r0]; ldr r4, [r3, #4]; ldr r3, [r0, #4]",
    "str r2, [r0]; ldr r0, [r0]; str r3, [r0, #4]!; str r3, [r0, #64]",
    "str r2, [r0, #4]; ldrd r3, r4, [r0]; ldr r5, [r4]",
    "str r2, [r0, #4]; ldm r0, {r3, r4}; ldr r5, [r4]",
    "mul r3, r1, r1; ldr r4, [r0, r3]",
    "umull r3, r4, r1, r1; ldr r5, [r0, r3]; ldr r5, [r0, r4]",
    "movs r3, #4; movs r4, #0; smlal r3, r4, r1, r1; ldr r5, [r0, r3]; ldr r5, [r0, r4]",
    "movs r3, #8; smlald r3, r4, r1, r1; ubfx r3, r1, #1, #4; ldr r5, [r0, r3]",
    "vmov s0, r0; vmov r3, s0; ldr r4, [r3]",
    "vmov d0, r0, r2; vmov r3, r4, d0; ldr r5, [r3]; ldr r5, [r4]",
    "sxtb r3, r1; uxtah r3, r0, r3; ldr r4, [r0]",
    "mrs r3, msp; ldr r4, [r3, #-8]",
    "adr r3, 1f; ldr r4, [r3]; b 2f; .balign 4; 1: .word 7; 2: nop",
    "add r3, pc, #8; ldr r4, [r3]; nop; nop; nop; nop",
    "mov r3, pc; ldr r4, [r3, #4]; nop; nop; nop; nop",
    "movs r3, #1; movs r4, #8; 1: ldr r5, [r0, r4]; add r4, r3, r4, lsl #1; subs r1, #4; bne 1b",
    "movs r4, #9; 1: ldr r5, [r0], #20; str r5, [r2, #-20]!; subs r4, #1; bne 1b",
]


# Values that the block loads or masks itself; memory is as `filled` says.
LOADED = [
    "ldr r3, [r0]; ldr r4, [r3, #4]; ldr r5, [r3, r1]",
    "ldrb r3, [r0, #4]; ldr r4, [r0, r3]; ldr.w r4, [r2, r3, lsl #2]",
    "ldrsb r3, [r0, #13]; ldr r4, [r0, r3]; ldrsb r3, [r0, #4]; ldr r4, [r0, r3]",
    "ldrsh r3, [r0, #14]; ldr r4, [r0, r3]; ldrh r3, [r0, #4]; ldr r5, [r0, r3]",
    "ldr r3, [r0]; ldr r3, [r3, #8]; ldr r4, [r0, r3]",
    "ldrd r3, r4, [r0]; ldr r5, [r3]; ldr r5, [r0, r4]",
    "ldm r0, {r3, r4}; ldr r5, [r3, #32]; ldrb r5, [r0, r4]",
    "ldmdb r2, {r3, r4}; ldr r5, [r0, r3]; ldr r5, [r0, r4]",
    "ldr r3, [r0], #4; ldrb r4, [r0]; ldr r5, [r3, r4]",
    "push {r0, r2}; pop {r3, r4}; ldr r5, [r3]; ldr r5, [r4]",
    "str r2, [r0]; ldr r3, [r0]; ldr r4, [r3, #4]",
    "str r2, [r0, #4]; ldr r3, [r0]; ldr r4, [r3, #4]",
    "strb r1, [r0, #3]; ldrb r3, [r0, #4]; ldr r4, [r0, r3]",
    "strb r1, [r0, #4]; ldrb r3, [r0, #4]; ldr r4, [r0, r3]",
    "strb r1, [r2, #4]; ldrb r3, [r0, #4]; ldr r4, [r0, r3]",
    "cmp r0, r2; it ne; strbne r1, [r0, #4]; ldrb r3, [r0, #4]; ldr r4, [r0, r3]",
    "cmp r0, r2; it eq; ldreq r3, [r0, #4]; ldr r4, [r3, #16]",
    "stm r0!, {r1, r2}; sub r0, #8; ldr r3, [r0, #4]; ldr r4, [r3]",
    "orr r3, r1, #3; ldr r4, [r0, r3]; and r3, r1, #4; ldr r4, [r0, r3]",
    "bic r3, r1, #4; ldr r4, [r0, r3]; eor r3, r1, #64; ldr r4, [r0, r3]",
    "ands r3, r1; ldr r4, [r0, r3]",
    "lsrs r3, r1, #1; ldr r4, [r0, r3]; mvn r3, r1; asr r3, r3, #1; ldr r4, [r0, r3]",
    "ubfx r3, r0, #4, #3; ldr r4, [r0, r3]; uxtb r3, r0; ldr r4, [r2, r3]",
    "uxth r3, r2; lsr r3, #4; ldr r4, [r0, r3]; uxth r3, r1; ldr r4, [r0, r3]",
    "ldr r3, [r0]; ldr r4, [r3]; lsr r3, r3, r1; ldr r4, [r2]; subs r2, r2, r1; ldr r4, [r2]",
    "; ".join(f"ldrb r3, [r0, #{i}]; and r4, r3, #{i + 1}; ldr r5, [r2, r4]" for i in range(30)),
]


def differences(runs: list[BlockRun]) -> list[str]:
    return [
        f"{run.address:#x}: believed {run.believed}, true {run.true}"
        for run in runs
        if run.believed != run.true
    ]


def filled() -> bytes:
    """Pointers to data first, then small numbers of either sign."""
    words = [
        SRAM_DATA + 0x900,
        0x0000_0048,
        0x0000_0060,
        0xFFE0_F0F8,
        *range(0x40, 0x40 + 0x400, 4),
    ]
    return b"".join(word.to_bytes(4, "little") for word in words)


def record(text: str, at: int) -> list[BlockRun]:
    with machine() as m:
        for register in ("r0", "r2"):
            m.device.write(REGISTERS[register] - 8, bytes.fromhex("4000000080000000"))
            m.device.write(REGISTERS[register], filled()[:0x200])
        m.device.write(SRAM_DATA + 0x900, filled()[16:])
        recorder = AccessRecorder(m.device.core.engine)
        m.run(f"{text}; nop", at, REGISTERS)
        return recorder.runs


@pytest.mark.parametrize("text", [*ADDRESSING, *UNALIGNED, *PREDICATED, *DATAFLOW, *LOADED])
@pytest.mark.parametrize("at", [ITCM + 0x100, SRAM + 2])
def test_accesses_are_those_that_the_emulator_does(text, at):
    runs = record(text, at)
    assert any(run.true for run in runs)
    assert differences(runs) == []


@pytest.mark.parametrize("text", [*ADDRESSING, *PREDICATED])
def test_joined_accesses_touch_the_same_bytes(text):
    for run in record(text, ITCM + 0x100):
        assert set(run.merged) == set(run.true)


@pytest.mark.parametrize("text", EXCLUSIVE)
def test_exclusive_accesses_touch_what_they_name(text):
    """The emulator reads for a store as well, so only the addresses are compared."""
    for run in record(text, ITCM + 0x100):
        assert {at for at, _ in run.believed} == {at for at, _ in run.true}


def test_an_it_block_across_two_pages_keeps_its_predicates():
    """Unicorn ends a block at a page's end, in the middle of an IT block if need be."""
    text = "cmp r0, r0; itete ne; ldrne r3, [r0]; ldreq r3, [r0, #32]; ldrne r3, [r0, #64]"
    runs = record(f"{text}; ldreq r3, [r0, #96]", ITCM + 0x400 - 6)
    assert len(runs) > 1, "the block was not divided: the test is about nothing"
    assert differences(runs) == []


def test_what_the_entry_registers_tell_needs_no_hook():
    common = (
        "ldr r3, [r0, #4]; ldr.w r4, [r0, r1, lsl #2]; str r3, [r2], #4; str r4, [r2]; push {r3}"
    )
    with machine() as m:
        m.put(common, ITCM)
        found = find_accesses(m.device.read(ITCM, 14), ITCM)
    assert len(found.known) == 5
    assert found.at_instruction == ()


def test_what_a_block_loads_before_it_stores_needs_no_hook_either():
    common = "ldr r3, [r0]; orr r4, r1, #3; ldr.w r5, [r3, r4, lsl #2]; ldrb r5, [r0, r5]"
    code = machine_code(common)
    assert find_accesses(code, ITCM).at_instruction == ()
    stored_first = machine_code(f"str r4, [r2]; {common}")
    assert len(find_accesses(stored_first, ITCM).at_instruction) == 2


def test_only_so_many_values_are_computed_at_the_entry():
    text = LOADED[-1]
    found = find_accesses(machine_code(text), ITCM)
    assert len(found.cells) <= MAX_CELLS
    assert len(found.at_instruction) > 0
    assert len(found.known) + len(found.at_instruction) == 60


def test_code_that_no_disassembler_knows_does_not_hide_what_follows():
    # An unallocated encoding, which may have changed any register, then LDR r3, [r0].
    found = find_accesses(bytes.fromhex("fffb00000368"), ITCM)
    assert [place for place, _ in found.at_instruction] == [4]


def test_a_linear_form_wraps_at_32_bits():
    assert Linear(-4, ((0, 0),)).value(lambda _: 0) == 0xFFFF_FFFC
    assert Linear(0, ((0, 31),)).value(lambda _: 3) == 0x8000_0000


def test_the_native_side_looks_up_each_joined_line_once():
    """The hooks and the tables of the native side, all of it: as many look-ups as were believed."""
    text = "; ".join(
        text for text in DATAFLOW if "f;" not in text and "pc" not in text and "1:" not in text
    )
    with machine() as m:
        m.caches(instruction=False, data=True)
        recorder = AccessRecorder(m.device.core.engine)
        m.run("; ".join([f"mov r8, r0; mov r9, r2; {text}"]), ITCM + 0x100, REGISTERS)
        lines = [line for run in recorder.runs for line in run.looked_up]
        assert m.hits() + m.misses() == sum(line * LINE_BYTES >= SRAM for line in lines) > 30


def test_the_first_convolution_of_the_cifar_network():
    """Compiled code, thousands of blocks of it: exactly the lines that it touches."""
    with usim.Session("stm32f746", timing="full").open() as session:
        model = session.load_model("usim/demo/cifar10_cnn.tflite")
        recorder = AccessRecorder(session._device.core.engine, at_most=6000)
        with pytest.raises(EnoughError):
            model.profile(np.zeros((1, 32, 32, 3), np.int8))
        runs = recorder.runs
    assert sum(sum(run.true.values()) for run in runs) > 10_000
    assert differences(runs) == []
