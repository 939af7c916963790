"""`usim.Board`: what a firmware prints, is sent, and how it ends, in the chip's time."""

from __future__ import annotations

import pytest

from usim.board import Board
from usim.errors import ArgumentError, ExpectationError, FirmwareEndedError


@pytest.fixture(params=["count", "core", "full"])
def shell(request, shell_elf):
    with Board(shell_elf, timing=request.param) as board:
        board.wait_for_line("ready")
        yield board


def test_a_line_is_waited_for_to_the_byte(shell_elf):
    with Board(shell_elf) as board:
        said = board.wait_for_text("rea")
        assert (said.text, said.line) == ("rea", "usart1")
        assert board.output() == b"rea"
        assert board.wait_for_line().text == "dy"
        assert board.output("usart1") == b"ready\r\n"


def test_what_is_sent_is_answered(shell):
    shell.send_line("hello", end="\r")
    said = shell.wait_for_line("you said")
    assert said.text == "you said hello"
    assert 0 < said.at_s <= shell.now_s
    assert said.cycle <= shell.cycles


def test_the_same_calls_give_the_same_cycles(shell_elf):
    def run() -> tuple[int, float, int]:
        with Board(shell_elf) as board:
            board.wait_for_line("ready")
            board.send("again\r")
            said = board.wait_for_text("again")
            return said.cycle, said.at_s, board.instructions

    assert run() == run()


def test_what_was_found_is_not_found_again(shell):
    for word in ("one", "two"):
        shell.send_line(word)
        assert shell.wait_for_line("said").text == f"you said {word}"
    with pytest.raises(ExpectationError):
        shell.wait_for_line("said", timeout_s=0.001)


def test_text_that_does_not_come_in_time_is_an_error_with_what_came(shell):
    shell.send("nothing\r")
    before = shell.now_s
    with pytest.raises(ExpectationError) as error:
        shell.wait_for_text("more", timeout_s=0.01)
    assert "'more' was not seen within 0.01 s of the chip's time" in str(error.value)
    assert "usart1 'you said nothing\\r\\n'" in str(error.value)
    assert shell.now_s == pytest.approx(before + 0.01, rel=0.01)


def test_time_advances_as_far_as_asked(shell):
    before, cycles = shell.now_s, shell.cycles
    shell.advance(0.002)
    assert shell.now_s == pytest.approx(before + 0.002, rel=0.01)
    assert shell.cycles - cycles == pytest.approx(0.002 * 16e6, rel=0.01)


# The PLL on the HSI: 16 MHz / 8 * 108 / 2.
FAST = """int main(void) {
    REGISTER(0x40023C00U) = 0x7U; /* FLASH_ACR: 7 wait states */
    REGISTER(0x40023804U) = 0x24001B08U;
    REGISTER(0x40023800U) |= 1U << 24;
    while ((REGISTER(0x40023800U) & (1U << 25)) == 0U) { }
    REGISTER(0x40023808U) = 2U;
"""


def test_the_clock_that_the_firmware_sets_up_is_that_of_time(firmware):
    image = firmware(FAST + 'open_usart(USART1); say(USART1, "fast\\n"); for (;;) { } }')
    with Board(image) as board:
        board.wait_for_line("fast")
        assert board.chip.core_hz == 108_000_000
        before, cycles = board.now_s, board.cycles
        board.advance(0.001)
        assert (board.cycles - cycles) / (board.now_s - before) == pytest.approx(108e6)


def test_a_deadline_is_kept_when_the_firmware_changes_its_clock(firmware):
    image = firmware(FAST + "for (;;) { } }")
    with Board(image) as board:
        board.advance(0.01)
        assert board.chip.core_hz == 108_000_000
        assert board.now_s == pytest.approx(0.01, rel=0.02)


def test_cycles_between_two_symbols(firmware):
    image = firmware(
        "__attribute__((naked, noinline)) void work(int n) {\n"
        '    __asm volatile("nop\\n .p2align 3\\n1: subs r0, #1\\n bne 1b\\n bx lr");\n'
        "}\n"
        '__attribute__((noinline)) void rest(void) { __asm volatile("nop"); }\n'
        "int main(void) { for (;;) { work(1000); rest(); } }"
    )
    with Board(image, timing="core") as board:
        first = board.cycles_between("work", "rest")
        period = board.cycles_between("work", "work")
    # A pair of instructions a cycle, and what the call costs.
    assert 1000 <= first <= 1030
    assert first < period < first + 40


def test_a_symbol_that_is_not_reached_is_an_error(shell):
    with pytest.raises(ExpectationError, match=r"Default_Handler was not reached within 0.001 s"):
        shell.run_to("Default_Handler", timeout_s=0.001)


@pytest.mark.parametrize(
    ("command", "kind", "cause"),
    [
        ("b", "HardFault", "store to where no memory can be written (0x7000_1000"),
        ("d", "HardFault", "division by zero"),
        ("u", "HardFault", "undefined instruction"),
    ],
)
def test_a_fault_that_no_handler_returns_from_is_reported(shell, command, kind, cause):
    shell.send(f"{command}\r")
    with pytest.raises(FirmwareEndedError) as error:
        shell.wait_for_text("you said")
    ending = error.value.ending
    assert ending.reason == "fault"
    assert ending.fault.name == kind
    assert cause in ending.fault.summary
    assert f" in {'stray' if command == 'b' else 'answer'}" in ending.fault.place
    assert "(shell.c:" in ending.fault.place
    assert "Default_Handler" in ending.text
    report = "\n".join(ending.fault.lines())
    assert "FORCED" in report
    assert "  r0 0x" in report


def test_after_a_reset_the_firmware_starts_anew(shell):
    shell.send("u\r")
    with pytest.raises(FirmwareEndedError):
        shell.wait_for_text("you said")
    shell.reset()
    assert shell.ending is None
    assert shell.wait_for_line().text == "ready"


def test_a_semihosting_exit_ends_with_its_code(shell):
    shell.send("q5\r")
    ending = shell.run()
    assert (ending.reason, ending.code) == ("exit", 5)


def test_a_fault_inside_the_fault_handler_is_a_lockup_with_the_first_fault(firmware):
    image = firmware(
        "extern void Default_Handler(void);\n"
        "void twice(void) { *(volatile uint32_t *)0x60000004U = 1U; }\n"
        "static void (*table[16])(void) __attribute__((aligned(512)));\n"
        "int main(void) {\n"
        "    table[3] = twice;\n"
        "    REGISTER(0xE000ED08U) = (uint32_t)table;\n"
        "    *(volatile uint32_t *)0x60000000U = 1U;\n"
        "    return 0;\n"
        "}"
    )
    with Board(image) as board:
        ending = board.run(1.0)
    assert ending.reason == "lockup"
    assert "the core locked up" in ending.text
    assert "0x6000_0000" in ending.fault.summary


@pytest.mark.parametrize(
    ("body", "reason"),
    [("for (;;) { }", "endless loop"), ('__asm volatile("wfi");', "asleep")],
)
def test_a_firmware_to_which_nothing_can_happen_any_more_has_ended(firmware, body, reason):
    with Board(firmware(f"int main(void) {{ {body} return 0; }}")) as board:
        assert board.run().reason == reason


def test_a_kernel_that_idles_in_pendsv_sleeps_and_did_not_crash(firmware):
    """As RIOT does, whose PendSV sleeps until there is a thread to go on with."""
    image = firmware(
        "static uint32_t table[16] __attribute__((aligned(128)));\n"
        'static void idle(void) { __asm volatile("wfi"); }\n'
        "int main(void) { table[14] = (uint32_t)(uintptr_t)idle;"
        "REGISTER(0xE000ED08U) = (uint32_t)(uintptr_t)table;"
        "REGISTER(0xE000ED04U) = 1U << 28; for (;;) { } }"
    )
    with Board(image) as board:
        assert board.run().reason == "asleep"


def test_a_loop_that_may_end_is_no_end(firmware):
    image = firmware("volatile int n; int main(void) { while (n == 0) { } return 0; }")
    with Board(image) as board:
        assert board.run(0.1) is None


def test_usarts_are_heard_apart(firmware):
    image = firmware(
        "int main(void) {\n"
        "    open_usart(USART1);\n    open_usart(USART3);\n"
        '    say(USART3, "three\\n");\n    say(USART1, "one\\n");\n    say(USART3, "end\\n");\n'
        "    for (;;) { }\n"
        "}"
    )
    with Board(image) as board:
        assert board.wait_for_line(usart="usart1").text == "one"
        assert board.wait_for_line(usart="usart3").text == "three"
        assert board.wait_for_line().line == "usart3"


def test_a_usart_that_the_chip_lacks_is_refused(shell):
    with pytest.raises(ArgumentError, match=r"no USART 'usart9' on stm32f746; there are .*usart1"):
        shell.wait_for_text("x", "usart9")


def test_no_text_is_nothing_to_wait_for(shell):
    with pytest.raises(ArgumentError, match="no text to wait for"):
        shell.wait_for_text("")
