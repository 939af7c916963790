"""Firmware for the tests of boards, built with the compiler that comes with usim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from firmware import build

from usim.cli import usim

HEADER = (Path(__file__).parent / "data" / "uart.h").read_text(encoding="utf-8")

# Answers lines on USART1; what a line begins with says how. It polls, and so loses what comes while
# it answers.
SHELL = """
static char line[32];
volatile int zero;
__attribute__((noinline)) void stray(void) { *(volatile uint32_t *)0x70001000U = 1U; }
__attribute__((noinline)) void answer(void) {
    switch (line[0]) {
    case 'b': stray(); break;
    case 'c': say(USART1, "begin\\r\\n"); say(USART1, "end\\r\\n"); break;
    case 'd': zero = 7 / zero; break;
    case 'u': __asm volatile("udf #1"); break;
    default: say(USART1, "you said "); say(USART1, line); say(USART1, "\\r\\n");
    }
}
__attribute__((noinline)) void read_line(void) {
    int length = 0;
    char byte;
    while ((byte = get(USART1)) != '\\r') { line[length++] = byte; }
    line[length] = '\\0';
}
int main(void) {
    REGISTER(0xE000ED14U) |= 1U << 4; /* CCR.DIV_0_TRP */
    open_usart(USART1);
    say(USART1, "ready\\r\\n");
    for (;;) {
        read_line();
        if (line[0] == 'q') { return line[1] - '0'; }
        answer();
    }
}
"""


@pytest.fixture(scope="session")
def shell_elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says "ready", answers lines; c: says "begin" and "end"; q5: exits with 5; b, d, u: faults."""
    path = tmp_path_factory.mktemp("firmware") / "shell.elf"
    path.write_bytes(build(HEADER + SHELL, "shell.c"))
    return path


@pytest.fixture
def firmware(tmp_path: Path) -> Callable[..., Path]:
    """Build a firmware from the body of a C file: main() and what it needs beside uart.h."""

    def make(source: str, name: str = "firmware.elf") -> Path:
        path = tmp_path / name
        path.write_bytes(build(HEADER + source, "firmware.c"))
        return path

    return make


@pytest.fixture
def run_exec() -> Callable[..., Result]:
    """`usim exec` in this process."""

    def run(*arguments: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(usim, ["exec", *map(str, arguments)], input=stdin)

    return run
