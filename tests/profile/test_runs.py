"""How runs start and end, what programs print, what happens to faults."""

from __future__ import annotations

import pytest
from programs import build_alone

from usim.errors import DeviceError, ProgramError

PRINT = "void print(const char *text);\n"


def test_a_program_prints_and_exits_by_semihosting(mixed_elf, recorded):
    text = []
    recording = recorded(mixed_elf, text.append)
    assert b"".join(text) == b"hello\n"
    assert (recording.ending.reason, recording.ending.value) == ("exit", 7)


def test_start_up_code_finds_data_in_flash_and_copies_it(program, recorded):
    path = program(
        "volatile int seven = 7; volatile int zero; int main(void) { return seven + zero; }"
    )
    assert recorded(path).ending.value == 7


def test_a_function_is_called_with_arguments_and_its_data_in_place(program, recorded):
    path = program(
        "volatile int ten = 10;\n"
        "int mix(int a, int b, int c, int d) { return ((a * ten + b) * ten + c) * ten + d; }\n"
        "int main(void) { return mix(0, 0, 0, 0); }"
    )
    recording = recorded(path, entry="mix", arguments=(1, 2, 3, -4))
    assert (recording.ending.reason, recording.ending.value) == ("returned", 1226)


def test_a_function_without_a_vector_table_gets_a_stack(tmp_path, recorded):
    path = tmp_path / "a.elf"
    path.write_bytes(
        build_alone(
            "int twice(int n) { volatile int kept = n; return kept + kept; }\n"
            "void Reset_Handler(void) { twice(1); }"
        )
    )
    assert recorded(path, entry="twice", arguments=(21,)).ending.value == 42


def test_a_run_ends_before_the_function_it_should_run_until(mixed_elf, recorded):
    recording = recorded(mixed_elf, until="weighted")
    assert recording.ending.reason == "until"
    called = {
        recording.program.function_at(int(node["function"])).name
        for node in recording.call_tree[1:]
    }
    assert "fibonacci" in called
    assert "weighted" not in called


def test_a_branch_to_itself_ends_the_run_and_costs_nothing_more(program, recorded):
    recording = recorded(program("int main(void) { for (;;) { } }"))
    assert recording.ending.reason == "endless loop"
    assert recording.instructions < 100


def test_a_breakpoint_ends_the_run(program, recorded):
    path = program('int main(void) { __asm volatile("bkpt 1"); return 0; }')
    recording = recorded(path)
    assert recording.ending.reason == "breakpoint"
    assert "main" in recording.program.describe(recording.ending.address)


def test_a_sleep_with_no_interrupt_to_come_ends_the_run(program, recorded):
    path = program('int main(void) { for (;;) { __asm volatile("wfi"); } }')
    assert recorded(path).ending.reason == "asleep"


def test_the_limit_ends_an_endless_program_with_what_is_known_so_far(program, recorded):
    path = program("volatile int n; int main(void) { for (;;) { n++; } }")
    recording = recorded(path, limit=100_000)
    assert recording.ending.reason == "limit"
    assert 100_000 <= recording.cycles < 100_100


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("*(volatile int *)0x58000000 = 1;", "a store to 0x5800_0000, where no RAM is"),
        ("return *(volatile int *)0x58000000;", "a load from 0x5800_0000, where nothing is"),
        ('__asm volatile("udf 1");', r"an undefined instruction \(01 de"),
        ("((void (*)(void))0x30000001)();", "a jump to 0x3000_0000, where no code can be"),
    ],
)
def test_a_fault_is_named_with_function_and_line(program, recorded, body, what):
    path = program(f"int main(void) {{\n{body}\nreturn 0; }}")
    with pytest.raises(DeviceError, match=what) as caught:
        recorded(path)
    assert "main.c:2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fault_without_a_handler_is_named_as_well(tmp_path, recorded):
    path = tmp_path / "a.elf"
    source = (
        "void Reset_Handler(void) { *(volatile int *)0x58000000 = 1; }\n"
        '__attribute__((section(".isr_vector"), used)) const unsigned table[1] = {0x20010000};\n'
        '__attribute__((section(".isr_vector"), used)) void (*const reset)(void) = Reset_Handler;\n'
        '__attribute__((section(".isr_vector"), used)) const unsigned others[14] = {0};\n'
    )
    path.write_bytes(build_alone(source))
    with pytest.raises(
        DeviceError, match=r"faulted at .* in Reset_Handler.*a store to 0x5800_0000"
    ):
        recorded(path)


def test_a_reset_handler_that_returns_is_an_error_that_says_so(tmp_path, recorded):
    path = tmp_path / "a.elf"
    source = (
        "void Reset_Handler(void) { }\n"
        '__attribute__((section(".isr_vector"), used)) const unsigned table[1] = {0x20010000};\n'
        '__attribute__((section(".isr_vector"), used)) void (*const reset)(void) = Reset_Handler;\n'
    )
    path.write_bytes(build_alone(source))
    with pytest.raises(DeviceError, match="a reset handler must not return"):
        recorded(path)


def test_a_program_that_switches_the_caches_on_has_their_misses_counted(program, recorded):
    path = program(
        "volatile int n;\n"
        "int main(void) { *(volatile unsigned *)0xE000ED14 |= 0x30000;\n"
        "for (int i = 0; i < 100; i++) { n = i; } return 0; }"
    )
    uses = {use.name: use for use in recorded(path, timing="full").caches}
    assert uses["instruction"].misses > 0
    assert recorded(path).caches == ()


def test_an_exception_that_is_handled_is_part_of_the_run(program, recorded):
    # SVCall is vector 11, which the start-up code gives to Default_Handler, an endless loop.
    recording = recorded(program('int main(void) { __asm volatile("svc 0"); return 0; }'))
    assert recording.ending.reason == "endless loop"
    assert "Default_Handler" in recording.program.describe(recording.ending.address)
    assert recording.interruption_cycles > 0


def test_the_stack_peak_covers_the_deepest_frame(program, recorded):
    path = program(
        "volatile int n = 5;\n"
        "__attribute__((noinline)) int deep(void) {\n"
        "    volatile char room[1000];\n"
        "    for (int i = 0; i < 1000; i++) room[i] = (char)(n + 1);\n"
        "    return room[0]; }\n"
        "int main(void) { return deep(); }"
    )
    assert 1000 <= recorded(path).stack.peak_bytes < 1100


def test_an_entry_that_is_no_code_is_refused(program, recorded):
    path = program("int counter; int main(void) { return counter; }")
    with pytest.raises(ProgramError, match=r"counter is at .*loads nothing"):
        recorded(path, entry="counter")


def test_the_same_program_takes_the_same_cycles_again(mixed_elf, recorded):
    first, second = recorded(mixed_elf), recorded(mixed_elf)
    assert first.cycles == second.cycles
    assert sorted(b.own_cycles for b in first.blocks) == sorted(b.own_cycles for b in second.blocks)


def test_counting_instructions_and_modelling_cycles_run_the_same_instructions(mixed_elf, recorded):
    counted = recorded(mixed_elf, timing="count")
    assert counted.count.unit == "instructions"
    assert counted.instructions == recorded(mixed_elf).instructions
