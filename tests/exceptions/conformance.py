"""Builds the conformance programs, runs them on QEMU and on usim, and knows the traces expected.

A trace in `traces/` is what the Armv7-M manual (DDI 0403E) has the program see on a Cortex-M7, with
comments (`#`) that say where that stands. `line [QEMU: other line]` is where QEMU does otherwise.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from firmware import link, run_on_qemu

from usim.devices import Timing
from usim.platforms import load_platform
from usim.profile.program import read_program
from usim.profile.run import Request, record
from usim.toolchain import find_toolchain

HERE = Path(__file__).parent
SUPPORT = HERE / "support"
PLATFORMS = ("mps2-an500", "stm32f746")
PROGRAMS = tuple(sorted(path.stem for path in (HERE / "programs").glob("*.c")))
# QEMU lets MSR set FAULTMASK in handlers of priority -1 and -2, and then locks up.
NOT_ON_QEMU = frozenset({"faultmask_limits"})
# The FPU's registers are used by the programs' own assembly only.
_FLAGS = ("-mfloat-abi=soft", "-Wextra", "-Wconversion", "-Werror")
# Programs that wait for SysTick.
_WAITING = ("sleep", "systick")
_MOST_CYCLES = 20_000_000


@lru_cache(maxsize=1)
def _support() -> bytes:
    return _compile(SUPPORT / "support.c")


def _compile(path: Path) -> bytes:
    core = load_platform("stm32f746").core
    return find_toolchain("clang").compile(
        path.read_text("utf-8"), name=path.name, core=core, include=[SUPPORT], flags=_FLAGS
    )


def build_program(name: str, platform: str, folder: Path) -> Path:
    """An executable in `folder` of programs/NAME.c for a platform."""
    layout = (SUPPORT / "layout.ld").read_text("utf-8")
    script = (SUPPORT / f"{platform}.ld").read_text("utf-8").replace("INCLUDE layout.ld", layout)
    path = folder / f"{name}-{platform}.elf"
    objects = (_compile(HERE / "programs" / f"{name}.c"), _support())
    path.write_bytes(link(objects, script, "--gc-sections"))
    return path


def expected_trace(name: str, *, on_qemu: bool = False) -> list[str]:
    """The lines of a program on a core that does what the manual states, or on QEMU."""
    lines = []
    for line in (HERE / "traces" / f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        manual, _, other = line.partition(" [QEMU: ")
        lines.append(other.removesuffix("]") if other and on_qemu else manual)
    return lines


def trace_on_qemu(elf: Path) -> list[str]:
    """The trace of a program for mps2-an500."""
    code, trace = run_on_qemu(elf)
    assert code == 0, trace
    return trace.splitlines()


def run_on_usim(elf: Path, platform: str, timing: Timing) -> list[str]:
    """The trace of a program on the embedded device."""
    said: list[bytes] = []
    request = Request(limit=_MOST_CYCLES, timing=timing)
    ending = record(read_program(elf), load_platform(platform), request, said.append).ending
    trace = b"".join(said).decode()
    assert (ending.reason, ending.value) == ("exit", 0), f"{ending}\n{trace}"
    return trace.splitlines()
