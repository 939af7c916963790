"""`arm-none-eabi-gcc`, where it is installed and asked for."""

from __future__ import annotations

import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from usim.cache import cache_folder, content_key
from usim.errors import ToolchainError
from usim.toolchain.base import Toolchain, keep_archive
from usim.toolchain.process import run

if TYPE_CHECKING:
    from usim.cache import Cache
    from usim.platforms import Core

COMMAND = "arm-none-eabi-gcc"
HOW_TO_GET = (
    "Debian and Ubuntu: apt install gcc-arm-none-eabi; macOS: brew install --cask "
    "gcc-arm-embedded; others: the Arm GNU Toolchain from developer.arm.com"
)
_MEMORY = Path(__file__).with_name("memory.c")


class ArmGcc(Toolchain):
    """GCC for bare-metal Arm, with its libgcc as runtime."""

    name = "gcc"

    def __init__(self, cache: Cache | None = None) -> None:
        super().__init__(cache)
        found = shutil.which(COMMAND)
        if found is None:
            message = f"{COMMAND} is not on the PATH; get it ({HOW_TO_GET}), or use clang"
            raise ToolchainError(message, command=(COMMAND,))
        self._gcc = found

    @cached_property
    def version(self) -> str:
        """The first line of `--version`, without the repeated name."""
        line = self._ask("--version")
        _, _, rest = line.partition(" ")
        return f"gcc {rest}"

    def builtins(self, core: Core) -> Path | None:
        """Return libgcc for the core, with the memory functions that it lacks."""
        libgcc = Path(self._ask(*self._core_flags(core), "-print-libgcc-file-name"))
        if not libgcc.is_file():
            return None
        memory = self.compile(_MEMORY.read_text("utf-8"), name=_MEMORY.name, core=core)
        archive = libgcc.read_bytes()
        key = content_key("builtins", self.version, archive, memory)
        kept = cache_folder() / "builtins" / f"{core.name}-{key[:16]}" / libgcc.name
        if not kept.is_file():
            keep_archive(kept, self._add_member(archive, memory))
        return kept

    def _add_member(self, archive: bytes, member: bytes) -> bytes:
        with tempfile.TemporaryDirectory(prefix="usim-") as temporary:
            folder = Path(temporary)
            (folder / "library.a").write_bytes(archive)
            (folder / "memory.o").write_bytes(member)
            # D: no times and owners, so that the archive is the same on every machine.
            command = [self._tool("ar"), "rD", "library.a", "memory.o"]
            done = run(command, folder=folder)
            if done.returncode != 0:
                said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
                raise ToolchainError(f"{command[0]} failed: {said}", command=tuple(command))
            return (folder / "library.a").read_bytes()

    def _tool(self, name: str) -> str:
        gcc = Path(self._gcc)
        return str(gcc.with_name(gcc.name.replace("gcc", name)))

    def _ask(self, *options: str) -> str:
        done = run([self._gcc, *options], folder=Path(tempfile.gettempdir()))
        if done.returncode != 0 or not done.stdout.strip():
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
            raise ToolchainError(f"{self._gcc} {options[-1]} failed: {said}")
        return done.stdout.strip().splitlines()[0]

    def _driver(self) -> tuple[str, ...]:
        return (self._gcc,)

    def _linker(self, core: Core) -> tuple[str, ...]:
        return (self._tool("ld"), "-r")

    def _core_flags(self, core: Core) -> tuple[str, ...]:
        fpu = (f"-mfpu={core.fpu}",) if core.fpu else ()
        return (
            f"-mcpu={core.name}",
            "-mthumb",
            *fpu,
            f"-mfloat-abi={core.float_abi}",
            # -ffreestanding alone does not stop GCC from turning loops into calls of memset.
            "-fno-tree-loop-distribute-patterns",
        )
