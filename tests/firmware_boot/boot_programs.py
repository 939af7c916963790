"""Builds the firmware of this folder as its users would: from C and a linker script."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from firmware import link

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
    "clock_216mhz": ("clock_216mhz.c", "console.c"),
}
_NEWLIB_FLASH = {"stm32f746": 0x0800_0000, "mps2-an500": 0}
_WARNINGS = ("-Wextra", "-Wconversion", "-Werror")
_GCC = (
    *("arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    *("-std=c11", "-O2", "-g", "-Wall"),
)


def build_firmware(name: str, compiler: str, folder: Path) -> Path:
    """The executable `name` of SOURCES."""
    sources = [PROGRAMS / source for source in ("startup.c", *SOURCES[name])]
    path = folder / f"{name}.elf"
    if compiler == "clang":
        path.write_bytes(_build_with_clang(sources))
    else:
        script = PROGRAMS / "stm32f746.ld"
        options = ("-ffreestanding", "-nostdlib", *_WARNINGS, "-T", script, "-o", path)
        _run(*_GCC, *options, *sources, "-lgcc")
    return path


def _build_with_clang(sources: list[Path]) -> bytes:
    core = load_platform("stm32f746").core
    objects = tuple(
        find_toolchain("clang").compile(
            source.read_text("utf-8"),
            name=source.name,
            core=core,
            include=[PROGRAMS],
            flags=_WARNINGS,
        )
        for source in sources
    )
    return link(objects, (PROGRAMS / "stm32f746.ld").read_text("utf-8"))


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
