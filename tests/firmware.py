"""Bare-metal programs for the tests, built with the toolchain that comes with usim."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from usim.platforms import load_platform
from usim.toolchain import find_toolchain

# The start-up code and linker script that the tests of profiles came with.
DATA = Path(__file__).parent / "profile" / "data"


_QEMU_TIMEOUT_S = 60


def run_on_qemu(elf: Path) -> tuple[int, str]:
    """Exit code and semihosted text of a program for mps2-an500, on QEMU."""
    command = ["qemu-system-arm", "-M", "mps2-an500", "-cpu", "cortex-m7", "-kernel", str(elf)]
    command += ["-display", "none", "-monitor", "none", "-serial", "none"]
    command += ["-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_QEMU_TIMEOUT_S, check=False
    )
    # QEMU writes semihosted text to its standard error where there is no character device.
    return done.returncode, done.stdout + done.stderr


@lru_cache(maxsize=32)
def link(objects: tuple[bytes, ...], script: str, *options: str) -> bytes:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = []
        for number, content in enumerate(objects):
            (folder / f"{number}.o").write_bytes(content)
            names.append(f"{number}.o")
        (folder / "script.ld").write_text(script, encoding="utf-8")
        command = [sys.executable, "-m", "ziglang", "ld.lld", *names]
        command += ["-T", "script.ld", "-o", "program.elf", *options]
        # Its caches stay out of this folder, which goes away.
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ
        )
        assert done.returncode == 0, done.stderr
        return (folder / "program.elf").read_bytes()


def compile_c(source: str, name: str, *flags: str) -> bytes:
    core = load_platform("stm32f746").core
    return find_toolchain("clang").compile(source, name=name, core=core, flags=flags)


def build(source: str, name: str = "main.c", *, script: str | None = None, flags=()) -> bytes:
    """An executable of `source` and the start-up code."""
    startup = (DATA / "startup.c").read_text(encoding="utf-8")
    objects = (compile_c(source, name, *flags), compile_c(startup, "startup.c"))
    return link(objects, script or (DATA / "flash.ld").read_text(encoding="utf-8"))


def build_alone(source: str, name: str = "main.c", *, script: str | None = None, flags=()) -> bytes:
    """An executable without start-up code."""
    return link(
        (compile_c(source, name, *flags),),
        script or (DATA / "flash.ld").read_text(encoding="utf-8"),
    )
