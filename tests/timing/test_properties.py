"""What holds for any code: splitting a run changes nothing, nor does what was priced before."""

from __future__ import annotations

from assembled import START, Assembly
from hypothesis import given, settings
from hypothesis import strategies as st

from usim.timing.decode import Instruction, decode
from usim.timing.pipeline import NEUTRAL, RESTARTED, issue

_POOL = [
    "adds r0, r1", "add.w r0, r0, r2", "movs r3, #1", "mov.w r2, r0", "eor.w r1, r1, r0",
    "eors r4, r1", "lsl.w r2, r2, #3", "lsrs r5, r2, #1", "add.w r3, r3, r2, lsl #2",
    "and.w r0, r0, #0x1fc0", "mul r6, r0, r1", "mla r7, r6, r1, r7", "smlal r4, r5, r6, r7",
    "sdiv r0, r1, r2", "ldr r0, [r1]", "ldr.w r2, [r1, #8]", "ldr.w r3, [r2, r0]",
    "ldrb.w r1, [r1], #1", "ldr.w r6, [r5, #4]!", "ldrd r0, r1, [r6]", "ldm.w r5!, {r0-r3}",
    "str r0, [r1]", "str.w r4, [r1, #8]", "strb.w r1, [r6], #1", "strd r2, r3, [sp, #8]",
    "push {r0-r4}", "pop {r0-r4}", "uxtb.w r0, r1", "uxtab r1, r1, r0", "ubfx r2, r1, #3, #4",
    "bfi r3, r2, #1, #5", "rev.w r4, r3", "ssat r5, #8, r4", "qadd r6, r5, r4", "clz r7, r6",
    "uadd8 r0, r1, r2", "sel r0, r1, r2", "adcs.w r0, r1, r2", "cmp.w r0, r1, lsl #2",
    "it eq; ldreq.w r0, [r1]", "ite ne; addne.w r0, r1, r2; subeq.w r0, r3, r4", "nop",
    "movw r0, #1; movt r0, #2", "mrs r0, primask", "beq.n 1f; 1:", "beq.w 1f; 1:",
    "cbz r0, 1f; nop; 1:",
    "vldr s0, [r0]", "vldr d1, [r1]", "vstr s2, [r2]", "vldmia r4!, {s4-s7}",
    "vfma.f32 s0, s1, s2", "vmla.f32 s3, s0, s2", "vadd.f32 s1, s0, s3", "vmul.f32 s2, s1, s0",
    "vdiv.f32 s4, s1, s2", "vcmp.f32 s0, s1; vmrs apsr_nzcv, fpscr", "vmov s0, r0",
    "vmov r1, s0", "vmov.f32 s5, #1.0", "vmov r2, r3, s0, s1",
]  # fmt: skip
# They write registers that nothing else uses: an added instruction that overwrites a result would
# end the wait for it, and save what it likes.
_ADDED = [
    "nop", "nop.w", "add.w r8, r9, r10", "eor.w r8, r9, r10", "lsl.w r8, r9, #2",
    "add.w r8, r9, r10, lsl #2", "mul r8, r9, r10", "ldr.w r8, [r9]", "ldrb.w r8, [r9]",
    "str.w r10, [r9]", "uxtb.w r8, r9", "rev.w r8, r9", "sdiv r8, r9, r10", "ldrd r8, r10, [r9]",
    "dmb", "vadd.f32 s20, s21, s22", "vfma.f32 s20, s21, s22", "vldr s20, [r9]",
]  # fmt: skip
assembly = Assembly(_POOL + _ADDED)
programs = st.lists(st.sampled_from(_POOL), min_size=1, max_size=24)
offsets = st.sampled_from([0, 2, 4, 6])
states = st.sampled_from([NEUTRAL, RESTARTED])


def _decoded(program: list[str], offset: int) -> tuple[Instruction, ...]:
    return decode(b"".join(assembly.code(text) for text in program), START + offset)


@settings(max_examples=300, deadline=None)
@given(programs, offsets, states, st.data())
def test_splitting_a_run_changes_neither_cycles_nor_state(program, offset, state, data):
    instructions = _decoded(program, offset)
    at = data.draw(st.integers(0, len(instructions)))
    whole = issue(instructions, state)
    first = issue(instructions[:at], state)
    second = issue(instructions[at:], first.state)
    assert first.cycles + second.cycles == whole.cycles
    assert second.state == whole.state


@settings(max_examples=200, deadline=None)
@given(programs, offsets, states)
def test_one_instruction_at_a_time_is_the_same(program, offset, state):
    instructions = _decoded(program, offset)
    whole, cycles = issue(instructions, state), 0
    for one in instructions:
        issued = issue([one], state)
        cycles, state = cycles + issued.cycles, issued.state
    assert (cycles, state) == (whole.cycles, whole.state)


@settings(max_examples=200, deadline=None)
@given(programs, programs, offsets)
def test_the_price_does_not_depend_on_what_was_priced_before(program, other, offset):
    code = b"".join(assembly.code(text) for text in program)
    before = issue(decode(code, START + offset))
    issue(_decoded(other, offset), before.state)
    decode.cache_clear()
    assert issue(decode(code, START + offset)) == before


@settings(max_examples=300, deadline=None)
@given(programs, offsets, st.sampled_from(_ADDED), st.data())
def test_adding_an_instruction_saves_a_cycle_at_most(program, offset, added, data):
    """Which it can: in another slot, what follows may pair or run early where it did not."""
    at = data.draw(st.integers(0, len(program)))
    longer = issue(_decoded([*program[:at], added, *program[at:]], offset))
    shorter = issue(_decoded(program, offset))
    # A division at the end is paid for by what follows: it counts here.
    assert longer.cycles + longer.state.busy >= shorter.cycles + shorter.state.busy - 1


@settings(max_examples=200, deadline=None)
@given(programs, offsets, states)
def test_appending_an_instruction_saves_nothing(program, offset, state):
    instructions = _decoded(program, offset)
    cycles = [issue(instructions[:n], state).cycles for n in range(len(instructions) + 1)]
    assert cycles == sorted(cycles)


@settings(max_examples=200, deadline=None)
@given(programs, offsets, states)
def test_no_more_than_two_instructions_a_cycle_and_in_order(program, offset, state):
    slots = issue(_decoded(program, offset), state).slots
    keys = [(slot.cycle, slot.younger) for slot in slots]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@settings(max_examples=200, deadline=None)
@given(programs, offsets, states)
def test_states_are_values(program, offset, state):
    """They serve as keys of the native side's table: equal, hashable, relative to the boundary."""
    instructions = _decoded(program, offset)
    settled = [issue(instructions, state).state for _ in range(2)]
    assert settled[0] == settled[1]
    assert hash(settled[0]) == hash(settled[1])
    waits = [item.cycle for _, item in settled[0].pending]
    assert all(-4 < cycle <= 20 for cycle in waits)
