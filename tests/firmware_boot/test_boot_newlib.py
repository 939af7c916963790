"""A program with newlib runs on the chip as on QEMU: text, heap, exit code, all by semihosting."""

from __future__ import annotations

import shutil

import pytest
from boot_programs import build_with_newlib, has_newlib
from firmware import run_on_qemu

from usim.platforms import load_platform
from usim.profile.program import read_program
from usim.profile.run import Request, record

pytestmark = pytest.mark.skipif(
    not has_newlib(), reason="arm-none-eabi-gcc and libnewlib-arm-none-eabi are not installed"
)
SAID = """hello, newlib
argc fine, pi 3.1416,   -42|7    |00099
sorted: 0 500 999
deadbeef equal
"""


def test_printf_malloc_and_the_exit_code_of_newlib(tmp_path):
    said: list[bytes] = []
    program = read_program(build_with_newlib("hello_newlib", tmp_path, "stm32f746"))
    request = Request(limit=20_000_000, timing="count")
    ending = record(program, load_platform("stm32f746"), request, said.append).ending
    assert b"".join(said).decode() == SAID
    assert (ending.reason, ending.value) == ("exit", 7)


@pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None,
    reason="qemu-system-arm, which the output is compared with, is not installed",
)
def test_qemu_says_the_same(tmp_path):
    elf = build_with_newlib("hello_newlib", tmp_path, "mps2-an500")
    assert run_on_qemu(elf) == (7, SAID)
