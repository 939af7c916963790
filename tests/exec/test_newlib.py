"""Programs built by arm-none-eabi-gcc with newlib, which know nothing of usim."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from usim.board import Board

DATA = Path(__file__).parent / "data"
pytestmark = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed"
)
_CORE = ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16")
_LINK = ("--specs=nano.specs", "-u", "_printf_float", "-Wl,--gc-sections")


@pytest.fixture(scope="module", params=["-Os", "-O0"])
def newlib_elf(request, tmp_path_factory) -> Path:
    elf = tmp_path_factory.mktemp("newlib") / "newlib.elf"
    command = ["arm-none-eabi-gcc", *_CORE, *_LINK, "-g", request.param]
    command += ["-T", str(DATA / "newlib.ld"), str(DATA / "newlib.c"), "--specs=nosys.specs"]
    done = subprocess.run(
        [*command, "-o", str(elf)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return elf


def test_printf_and_scanf_by_newlib(newlib_elf):
    with Board(newlib_elf) as board:
        board.wait_for_text("name? ")
        board.send("Ada\n")
        assert board.wait_for_line().text == "hello Ada, -42 0xbeef 1.500"
        ending = board.run()
    assert (ending.reason, ending.code) == ("exit", 3)


def test_the_command_runs_it(newlib_elf, run_exec):
    result = run_exec(
        newlib_elf, "--expect", "name?", "--send", r"Grace\n", "--expect", "hello Grace",
        "--for", "1s",
    )  # fmt: skip
    assert result.exit_code == 5, result.stderr
    assert result.stdout == "name? hello Grace, -42 0xbeef 1.500\n"
