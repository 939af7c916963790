"""Interrupts and resets of a program that a debugger looks at."""

from __future__ import annotations

from pathlib import Path

import pytest
from firmware import build

from usim.platforms import load_platform
from usim.probe.chip import EmulatedChip
from usim.probe.firmware import load_firmware
from usim.profile.program import read_program

DEBUGGER = "test"
TICKING = """
#include <stdint.h>
#define REGISTER(address) (*(volatile uint32_t *)(address))
static uint32_t table[16] __attribute__((aligned(128)));
volatile uint32_t ticks, turns;
__attribute__((noinline)) void tick(void) { ticks++; }
__attribute__((noinline)) void turn(void) { turns++; }
int main(void) {
    table[15] = (uint32_t)(uintptr_t)tick;
    REGISTER(0xE000ED08U) = (uint32_t)(uintptr_t)table;
    REGISTER(0xE000E014U) = 199U;
    REGISTER(0xE000E018U) = 0U;
    REGISTER(0xE000E010U) = 7U;
    for (;;) { turn(); }
}
"""
WATCHED = """
#include <stdint.h>
#define REGISTER(address) (*(volatile uint32_t *)(address))
int main(void) { REGISTER(0x40003000U) = 0xCCCCU; for (;;) { } }
"""


class Debugged:
    def __init__(self, source: str, folder: Path) -> None:
        path = folder / "program.elf"
        path.write_bytes(build(source))
        self.program = read_program(path)
        self.chip = EmulatedChip(load_platform("stm32f746"), "count")

    def __enter__(self) -> Debugged:
        self.chip.open()
        load_firmware(self.chip, self.program)
        self.chip.attach(DEBUGGER)
        self.chip.reset(halt=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.chip.close()

    def run_to(self, symbol: str) -> None:
        self.chip.set_breakpoints(DEBUGGER, [self.program.find_address(symbol)])
        self.chip.resume()
        for _ in range(100):
            if not self.chip.run(100_000):
                return
        pytest.fail(f"{symbol} was not reached")

    @property
    def pc(self) -> int:
        return self.chip.read_register("pc")

    def word(self, symbol: str) -> int:
        address = self.program.find_address(symbol)
        return int.from_bytes(self.chip.read_memory(address, 4), "little")


def test_a_breakpoint_in_an_interrupt_handler_halts_there(tmp_path):
    with Debugged(TICKING, tmp_path) as debugged:
        for ticks in range(3):
            debugged.run_to("tick")
            assert debugged.pc == debugged.program.find_address("tick")
            assert debugged.chip.read_register("ipsr") == 15
            assert debugged.word("ticks") == ticks
            debugged.chip.step()


def test_single_steps_stay_in_the_program_that_is_debugged(tmp_path):
    with Debugged(TICKING, tmp_path) as debugged:
        debugged.run_to("tick")
        debugged.run_to("turn")
        before = debugged.word("ticks")
        for _ in range(500):  # more than two periods
            debugged.chip.step()
            assert debugged.chip.read_register("ipsr") == 0
        assert debugged.word("ticks") == before
        debugged.run_to("tick")  # what waited is taken once the program runs


def test_a_watchdog_resets_a_program_under_a_debugger(tmp_path):
    with Debugged(WATCHED, tmp_path) as debugged:
        resets = debugged.chip.reset_count
        debugged.chip.resume()
        while debugged.chip.reset_count == resets and debugged.chip.run(5_000_000):
            pass
        assert debugged.chip.reset_count == resets + 1
        csr = int.from_bytes(debugged.chip.read_memory(0x4002_3874, 4), "little")
        assert csr & 1 << 29
