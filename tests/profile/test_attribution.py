"""Who took the cycles: sums that must hold, calls, inlined code, loops."""

from __future__ import annotations

import pytest
from programs import stripped

from usim.profile.attribution import INTERRUPTIONS, Attribution, call_paths, charges
from usim.profile.loops import find_loops
from usim.profile.program import read_program


def _function(attribution, name):
    (found,) = [use for use in attribution.functions if use.name == name]
    return found


def test_functions_account_for_every_cycle_and_instruction(mixed_profile):
    recording = mixed_profile.recording
    assert sum(use.exclusive for use in mixed_profile.functions) == recording.cycles
    assert sum(use.instructions for use in mixed_profile.functions) == recording.instructions
    assert INTERRUPTIONS not in {use.name for use in mixed_profile.functions}


def test_instructions_account_for_every_cycle(mixed_profile):
    taken = sum(use.count for use in mixed_profile.instructions.values())
    assert taken == mixed_profile.recording.cycles


def test_each_execution_of_a_block_is_charged_in_full(mixed_profile):
    for block in mixed_profile.recording.blocks:
        spent = sum(charge.count for charge in charges(block))
        assert spent == block.end_cycle - block.first_cycle


def test_the_call_tree_accounts_for_every_cycle(mixed_profile):
    paths = list(call_paths(mixed_profile))
    assert sum(path.count for path in paths) == mixed_profile.recording.cycles


def test_what_the_reset_calls_is_in_its_inclusive_count(mixed_profile):
    assert _function(mixed_profile, "Reset_Handler").inclusive == mixed_profile.recording.cycles
    main = _function(mixed_profile, "main")
    assert 0.95 < main.inclusive / mixed_profile.recording.cycles < 1


def test_calls_are_counted_and_recursion_counts_once_in_inclusive(mixed_profile):
    fibonacci = _function(mixed_profile, "fibonacci")
    assert fibonacci.calls > 50
    assert fibonacci.inclusive == fibonacci.exclusive


def test_a_deep_recursion_is_counted_call_by_call(program, recorded):
    path = program(
        "volatile int z; __attribute__((noinline)) int f(int n) {\n"
        "if (n == 0) return z; int r = f(n - 1); z = r; return r + 1; }\n"
        "int main(void) { return f(1500); }"
    )
    attribution = Attribution(recorded(path))
    assert _function(attribution, "f").calls == 1501
    assert _function(attribution, "main").calls == 1
    paths = list(call_paths(attribution))
    assert sum(path.count for path in paths) == attribution.recording.cycles
    assert max(len(path.functions) for path in paths) <= 200


def test_a_tail_call_counts_as_a_call_of_its_own(mixed_profile):
    assert _function(mixed_profile, "tail").calls == 1
    add_one = _function(mixed_profile, "add_one")
    assert add_one.calls == 1
    assert add_one.inclusive == add_one.exclusive > 0


def test_inlined_code_is_charged_to_where_it_comes_from(mixed_profile):
    weigh = _function(mixed_profile, "weigh")
    weighted = _function(mixed_profile, "weighted")
    assert weigh.inlined
    assert not weighted.inlined
    assert weighted.inclusive == weighted.exclusive + weigh.exclusive


def test_a_loop_of_two_that_pair_takes_a_cycle_an_iteration(mixed_profile):
    (loop,) = [loop for loop in find_loops(mixed_profile) if loop.function == "count_down"]
    assert loop.iterations == 1000
    assert 1000 <= loop.count <= 1010  # one misprediction, the last
    (block,) = loop.blocks
    assert block.end_cycle - block.first_cycle == 1


def test_an_inner_loop_is_not_charged_to_the_loop_around_it(program, recorded):
    path = program(
        "volatile int n;\n"
        "int main(void) { for (int i = 0; i < 50; i++) { for (int j = 0; j < 40; j++) { n = j; }\n"
        "n = -i; } return 0; }",
        flags=("-O1", "-fno-unroll-loops"),
    )
    loops = [loop for loop in find_loops(Attribution(recorded(path))) if loop.function == "main"]
    outer, inner = sorted(loops, key=lambda loop: loop.start)
    assert (outer.iterations, inner.iterations) == (50, 2000)
    assert outer.count == outer.own_count + inner.count


def test_exceptions_are_a_row_of_their_own(program, recorded):
    handler = (
        "void SVC_Handler(void);\n"
        "volatile int served;\n"
        "void SVC_Handler(void) { served++; }\n"
        '__attribute__((section(".ram_vectors"), aligned(512))) unsigned table[16];\n'
        "int main(void) { table[11] = (unsigned)SVC_Handler;\n"
        "*(volatile unsigned *)0xE000ED08 = (unsigned)table;\n"
        'for (int i = 0; i < 3; i++) { __asm volatile("svc 0" ::: "memory"); }\n'
        "return served; }"
    )
    attribution = Attribution(recorded(program(handler)))
    assert attribution.recording.ending.value == 3
    # Three entries and three returns of 12 cycles, in which the last instruction's own may lie.
    assert 3 * 2 * 11 <= _function(attribution, INTERRUPTIONS).exclusive <= 3 * 2 * 12
    assert _function(attribution, "SVC_Handler").calls == 3
    assert _function(attribution, "main").calls == 1
    assert sum(use.exclusive for use in attribution.functions) == attribution.recording.cycles


def test_stopping_inside_a_block_leaves_nothing_unaccounted(mixed_elf, recorded):
    whole = recorded(mixed_elf)
    block = max(whole.blocks, key=lambda block: len(block.instructions))
    middle = block.instructions[len(block.instructions) // 2].address
    attribution = Attribution(recorded(mixed_elf, until=hex(middle)))
    assert attribution.recording.ending.address == middle
    assert sum(use.exclusive for use in attribution.functions) == attribution.recording.cycles
    assert sum(use.instructions for use in attribution.functions) == (
        attribution.recording.instructions
    )


def test_the_limit_and_where_slices_end_change_no_count(program, recorded):
    path = program("volatile int n; int main(void) { for (;;) { n++; n--; } }")
    short, long = (recorded(path, limit=limit, until="0x0") for limit in (3_000, 30_000))
    loops = [find_loops(Attribution(recording))[0] for recording in (short, long)]
    each = [loop.count / loop.iterations for loop in loops]
    assert each[0] == pytest.approx(each[1], abs=0.02)


@pytest.mark.parametrize("timing", ["count", "full"])
def test_other_timings_account_for_everything_too(mixed_elf, recorded, timing):
    attribution = Attribution(recorded(mixed_elf, timing=timing))
    assert sum(use.exclusive for use in attribution.functions) == attribution.total
    assert _function(attribution, "Reset_Handler").inclusive == attribution.total


def test_without_symbols_functions_are_what_was_called(tmp_path, recorded, mixed_elf):
    path = tmp_path / "stripped.elf"
    path.write_bytes(stripped())
    attribution = Attribution(recorded(path))
    assert sum(use.exclusive for use in attribution.functions) == attribution.recording.cycles
    fibonacci = read_program(mixed_elf).find_address("fibonacci")
    (found,) = [use for use in attribution.functions if use.address == fibonacci]
    assert found.calls > 50
    assert found.name == "function at 0x0800_0040"


def test_semihosting_calls_cost_the_program_nothing(program, recorded, mixed_source):
    attribution = Attribution(recorded(program(mixed_source, flags=("-O0",))))
    assert attribution.recording.interruption_cycles == 0
    assert INTERRUPTIONS not in {use.name for use in attribution.functions}


def test_code_that_runs_from_ram_is_accounted_for_beside_exceptions(program, recorded):
    path = program(
        "volatile int n;\n"
        "void SVC_Handler(void);\n"
        "void SVC_Handler(void) { n++; }\n"
        '__attribute__((section(".ram_vectors"), aligned(512))) unsigned table[16];\n'
        '__attribute__((section(".data.code"), noinline)) int in_ram(int k) {\n'
        "for (int i = 0; i < k; i++) n += i;\nreturn n; }\n"
        "int (*volatile call)(int) = in_ram;\n"
        "int main(void) { table[11] = (unsigned)SVC_Handler;\n"
        "*(volatile unsigned *)0xE000ED08 = (unsigned)table;\n"
        'for (int i = 0; i < 3; i++) { call(20); __asm volatile("svc 0" ::: "memory"); }\n'
        "return 0; }"
    )
    attribution = Attribution(recorded(path))
    assert _function(attribution, "in_ram").calls == 3
    assert _function(attribution, "in_ram").exclusive > 3 * 20
    assert sum(use.exclusive for use in attribution.functions) == attribution.recording.cycles
