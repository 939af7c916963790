"""What `usim exec` tells of interrupts, resets and peripherals: traces, summaries, crashes."""

from __future__ import annotations

import json
import re

import pytest

# SysTick's handler is put into a vector table in RAM: the start-up code's own has none.
TICKING = """
static uint32_t table[16 + 98] __attribute__((aligned(512)));
volatile uint32_t ticks;
static void tick(void) { ticks++; }
static void start_ticks(uint32_t period) {
    table[15] = (uint32_t)(uintptr_t)tick;
    REGISTER(0xE000ED08U) = (uint32_t)(uintptr_t)table;
    REGISTER(0xE000E014U) = period - 1U;
    REGISTER(0xE000E018U) = 0U;
    REGISTER(0xE000E010U) = 7U;
}
"""
TEN_TICKS = (
    TICKING + "int main(void) { start_ticks(1600U); while (ticks < 10U) { "
    '__asm volatile("wfi"); } return 0; }'
)
RESETS = """
int main(void) {
    open_usart(USART1);
    const uint32_t cause = REGISTER(0x40023874U);
    if ((cause & (1U << 29)) != 0U) { say(USART1, "watchdog\\n"); return 0; }
    if ((cause & (1U << 28)) != 0U) {
        say(USART1, "software\\n");
        REGISTER(0x40023874U) |= 1U << 24; /* RMVF */
        REGISTER(0x40003000U) = 0xCCCCU; /* IWDG */
        for (;;) { }
    }
    say(USART1, "power\\n");
    while ((REGISTER(USART1 + 0x1CU) & (1U << 6)) == 0U) { }
    REGISTER(0xE000ED0CU) = 0x05FA0004U; /* AIRCR.SYSRESETREQ */
    for (;;) { }
}
"""


def test_each_access_to_a_peripheral_is_a_line_of_the_trace(shell_elf, run_exec, tmp_path):
    path = tmp_path / "trace.txt"
    result = run_exec(shell_elf, "--expect", r"ready\r\n", "--trace", path)
    assert result.exit_code == 0, result.stderr
    lines = path.read_text("utf-8").splitlines()
    assert re.fullmatch(
        r" +\d+  USART1\.BRR +write 0x0000008b +at 0x0800_\w{4} in \w+\+0x\w+ \(.*\)",
        next(line for line in lines if "USART1.BRR" in line),
    )
    assert any("RCC.APB2ENR" in line and "write 0x00000010" in line for line in lines)
    sent = [line for line in lines if "USART1.TDR" in line]
    assert [chr(int(line.split()[3], 16)) for line in sent] == list("ready\r\n")
    # Polling is told once, with its end.
    assert any(line.endswith("(the same until here)") for line in lines)
    assert len(lines) < 60


def test_a_trace_is_of_the_peripherals_that_are_asked_for(shell_elf, run_exec):
    result = run_exec(shell_elf, "--for", "1ms", "--trace", "-", "--trace-only", "rcc", "--quiet")
    lines = result.stderr.splitlines()
    assert lines
    assert all("RCC." in line for line in lines)


def test_a_trace_of_a_peripheral_that_is_not_there_is_refused(shell_elf, run_exec):
    result = run_exec(shell_elf, "--trace", "-", "--trace-only", "usart1,dma9")
    assert result.exit_code == 1
    assert "no peripheral 'dma9' on stm32f746; there are" in result.stderr


def test_interrupts_are_in_the_trace_and_counted_in_the_summary(firmware, run_exec, tmp_path):
    path = tmp_path / "run.json"
    result = run_exec(firmware(TEN_TICKS), "--trace", "-", "--json", path)
    assert result.exit_code == 0, result.stderr
    assert "Exceptions    SysTick 10\n" in result.stderr
    assert len(re.findall(r"SysTick entered from 0x0800_", result.stderr)) == 10
    assert json.loads(path.read_text("utf-8"))["exceptions"] == {"SysTick": 10}


def test_a_firmware_that_resets_itself_boots_again_and_is_told_why(firmware, run_exec):
    result = run_exec(firmware(RESETS), "--for", "2s")
    assert result.stdout_bytes == b"power\nsoftware\nwatchdog\n"
    assert result.exit_code == 0, result.stderr
    assert "Resets        software 1, IWDG 1\n" in result.stderr


def test_a_block_that_usim_lacks_is_named(firmware, run_exec):
    result = run_exec(firmware("int main(void) { return (int)REGISTER(0x40016800U); }"))
    assert result.exit_code == 0, result.stderr
    assert "Not modelled  LTDC (1 accesses)\n" in result.stderr


def test_a_fault_inside_the_fault_handler_is_a_lockup(firmware, run_exec):
    source = TICKING + (
        'static void faults_too(void) { REGISTER(0x70000000U) = 1U; __asm volatile("dsb"); }'
        "int main(void) { table[3] = (uint32_t)(uintptr_t)faults_too; start_ticks(100000U);"
        'REGISTER(0x70000000U) = 1U; __asm volatile("dsb"); return 0; }'
    )
    result = run_exec(firmware(source))
    assert result.exit_code == 3
    assert "the core locked up" in result.stderr
    assert "a fault inside the HardFault handler" in result.stderr


def test_an_interrupt_handler_that_stays_is_a_crash(firmware, run_exec):
    source = TICKING.replace("ticks++;", "for (;;) { }") + (
        "int main(void) { start_ticks(1600U); for (;;) { } }"
    )
    result = run_exec(firmware(source))
    assert result.exit_code == 3
    assert "the handler of exception 15 stays in an endless loop" in result.stderr


@pytest.mark.parametrize("timing", ["count", "full"])
def test_the_floating_point_unit_is_off_until_it_is_switched_on(firmware, run_exec, timing):
    source = (
        'int main(void) { REGISTER(0xE000ED88U) = 0U; __asm volatile("dsb\\n isb\\n'
        ' vmov s0, r0"); return 0; }'
    )
    result = run_exec(firmware(source), "--timing", timing)
    assert result.exit_code == 3
    assert "NOCP" in result.stderr


TOO_FAST = """
int main(void) {
    REGISTER(0x40023804U) = 2U << 24 | 200U << 6 | 16U; /* 16 MHz / 16 * 200 / 2 */
    REGISTER(0x40023800U) |= 1U << 24;
    while ((REGISTER(0x40023800U) & (1U << 25)) == 0U) { }
    REGISTER(0x40023C00U) = WAITS;
    REGISTER(0x40023808U) = 2U;
    return 0;
}
"""


@pytest.mark.parametrize(("waits", "warns"), [(2, True), (3, False)])
def test_a_flash_that_is_read_too_fast_is_told(firmware, run_exec, caplog, waits, warns):
    result = run_exec(firmware(TOO_FAST.replace("WAITS", str(waits))))
    assert result.exit_code == 0, result.stderr
    text = "FLASH_ACR has 2 wait states at a core clock of 100 MHz, where a chip needs 3"
    assert (text in result.stderr + caplog.text) == warns
