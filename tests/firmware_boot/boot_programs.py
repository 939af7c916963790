"""Builds the firmware of this folder as its users would: from C and a linker script."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from firmware import link

from usim.board import Board
from usim.devices.base import Timing
from usim.platforms import load_platform
from usim.toolchain import find_toolchain

PROGRAMS = Path(__file__).parent / "programs"
COMPILERS = ("clang", "arm-none-eabi-gcc")
# What each program is made of, besides the start-up code.
SOURCES = {
    "blinky": ("blinky.c",),
    "usart_echo": ("usart_echo.c", "console.c"),
    "timer": ("timer.c", "console.c"),
    "floating_tasks": ("floating_tasks.c", "tasks.c", "console.c"),
    "waiting": ("waiting.c", "console.c"),
    "clock_216mhz": ("clock_216mhz.c", "console.c", "clock.c", "caches.c"),
    "flash_waits": ("flash_waits.c", "console.c", "routines.c"),
    "clocks_agree": ("clocks_agree.c", "console.c", "clock.c"),
    "latency": ("latency.c", "console.c"),
    "caches_on": ("caches_on.c", "console.c", "routines.c", "caches.c"),
    "counters": ("counters.c", "console.c"),
}
_NEWLIB_FLASH = {"stm32f746": 0x0800_0000, "mps2-an500": 0}
_WARNINGS = ("-Wextra", "-Wconversion", "-Werror")
_GCC = (
    *("arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    *("-std=c11", "-O2", "-g", "-Wall"),
)


def build_firmware(name: str, compiler: str, folder: Path, *flags: str) -> Path:
    """The executable `name` of SOURCES; `flags` come last."""
    sources = [PROGRAMS / source for source in ("startup.c", *SOURCES[name])]
    path = folder / f"{name}.elf"
    if compiler == "clang":
        path.write_bytes(_build_with_clang(sources, flags))
    else:
        script = PROGRAMS / "stm32f746.ld"
        options = ("-ffreestanding", "-nostdlib", *_WARNINGS, *flags, "-T", script, "-o", path)
        _run(*_GCC, *options, *sources, "-lgcc")
    return path


def _build_with_clang(sources: list[Path], flags: tuple[str, ...]) -> bytes:
    core = load_platform("stm32f746").core
    objects = tuple(
        find_toolchain("clang").compile(
            source.read_text("utf-8"),
            name=source.name,
            core=core,
            include=[PROGRAMS],
            flags=(*_WARNINGS, *flags),
        )
        for source in sources
    )
    return link(objects, (PROGRAMS / "stm32f746.ld").read_text("utf-8"))


def run_and_read(name: str, compiler: str, folder: Path, timing: Timing = "full") -> dict[str, int]:
    """Run a program to its "done"; returns what it told by console_value(). Skips without GCC."""
    skip_without(compiler)
    with Board(build_firmware(name, compiler, folder), "stm32f746", timing=timing) as board:
        board.wait_for_line("done", "usart1", timeout_s=5)
        return values(board)


def values(board: Board) -> dict[str, int]:
    """What a program told by console_value()."""
    lines = [line.rpartition(" ") for line in board.output("usart1").decode().splitlines()]
    return {name: int(value) for name, _, value in lines if value.isdigit()}


def skip_without(compiler: str) -> None:
    """Skip if a compiler is not here; Clang comes with usim."""
    if compiler != "clang" and shutil.which(compiler) is None:
        pytest.skip(f"{compiler}, a compiler to build firmware with, is not installed")


def has_newlib() -> bool:
    """Whether the compiler and its C library are installed."""
    if shutil.which(_GCC[0]) is None:
        return False
    found = _run(_GCC[0], "-print-file-name=rdimon.specs").strip()
    return Path(found).is_file()


def build_with_newlib(name: str, folder: Path, platform: str) -> Path:
    """programs/NAME.c with newlib and its semihosting, for a platform of _NEWLIB_FLASH."""
    path = folder / f"{name}-{platform}.elf"
    flash = f"-Wl,--defsym=flash={_NEWLIB_FLASH[platform]:#x}"
    options = ("--specs=rdimon.specs", *_WARNINGS, flash, "-T", PROGRAMS / "newlib.ld", "-o", path)
    _run(*_GCC, *options, PROGRAMS / f"{name}.c")
    return path


def _run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, done.stderr
    return done.stdout
