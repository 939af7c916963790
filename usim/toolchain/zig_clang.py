"""The Clang inside PyPI's `ziglang`: a C compiler, linker and runtime that come with pip."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from usim.cache import Cache, cache_folder, content_key
from usim.errors import ToolchainError
from usim.toolchain.base import Toolchain, keep_archive
from usim.toolchain.process import run

if TYPE_CHECKING:
    from usim.platforms import Core

_INSTALL = "install it with: python -m pip install ziglang"
# How Zig spells the floating-point unit. Its CPU models have none, and a function that takes a
# float in a register, as our calling convention has it, then does not match its caller.
_ZIG_FPU = {
    "fpv5-sp-d16": "+fp_armv8d16sp",
    "fpv5-d16": "+fp_armv8d16",
    "fpv4-sp-d16": "+vfp4d16sp",
}


def zig_folder() -> Path:
    """Return the folder of the installed `ziglang`. Raises ToolchainError."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        raise ToolchainError(f"no compiler: the package ziglang is not installed; {_INSTALL}")
    return Path(spec.submodule_search_locations[0])


def zig_executable() -> Path:
    """Return Zig's executable. Raises ToolchainError."""
    path = zig_folder() / ("zig.exe" if os.name == "nt" else "zig")
    if not path.is_file():
        raise ToolchainError(f"no compiler: {path} is missing; re{_INSTALL}")
    return path


def zig_headers() -> Path:
    """Return the folder of Clang's own headers, such as stdint.h."""
    return zig_folder() / "lib" / "include"


def zig_version() -> str:
    """Return the version of the installed package, for example "0.17.1"."""
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def run_zig(arguments: list[str], folder: Path, timeout_s: float = 600) -> None:
    """Run Zig proper (not its Clang), which needs a cache of its own. Raises ToolchainError."""
    command = [str(zig_executable()), *arguments]
    private = str(_zig_cache(folder))
    environment = {"ZIG_GLOBAL_CACHE_DIR": private, "ZIG_LOCAL_CACHE_DIR": private}
    done = run(command, folder=folder, environment=environment, timeout_s=timeout_s)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error:" in line]
        said = (lines or done.stderr.strip().splitlines() or ["it said nothing"])[0].strip()
        message = f"zig {arguments[0]} failed with status {done.returncode}: {said}"
        raise ToolchainError(message, command=tuple(command), output=done.stderr)


class ZigClang(Toolchain):
    """`zig clang` runs Clang's driver directly, without Zig's build cache: some 10 ms a file."""

    name = "clang"
    # All of compiler_rt is one object.
    _collecting_flags = ("--gc-sections",)

    def __init__(self, cache: Cache | None = None) -> None:
        super().__init__(cache)
        self._zig = zig_executable()
        self._headers = zig_headers()

    @cached_property
    def version(self) -> str:
        """Clang's version and the package's, remembered as long as the executable is the same."""
        status = self._zig.stat()
        place = (str(self._zig), str(status.st_mtime_ns), str(status.st_size))
        key = content_key("version", zig_version(), *place)
        known = self._cache.get(key)
        if known is None:
            known = self._ask_version().encode()
            self._cache.put(key, known)
        return known.decode()

    def _ask_version(self) -> str:
        done = run([str(self._zig), "clang", "--version"], folder=self._zig.parent)
        found = re.search(r"clang version (\S+)", done.stdout)
        if done.returncode != 0 or not found:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
            raise ToolchainError(f"{self._zig} clang does not run: {said}; re{_INSTALL}")
        return f"clang {found[1]} (ziglang {zig_version()})"

    def builtins(self, core: Core) -> Path | None:
        """Build the archive of Zig's compiler_rt (3 s), unless it is there."""
        source = zig_folder() / "lib" / "compiler_rt.zig"
        options = [
            *("-target", f"thumb-freestanding-eabi{_hard(core)}"),
            f"-mcpu={core.name.replace('-', '_')}{_ZIG_FPU.get(core.fpu or '', '')}",
            *("-O", "ReleaseFast", "--name", "compiler_rt"),
            *("-ffunction-sections", "-fdata-sections", "-fstrip", "-fno-unwind-tables"),
        ]
        key = content_key("builtins", self.version, *options)
        archive = cache_folder() / "builtins" / f"{core.name}-{key[:16]}" / "libcompiler_rt.a"
        if archive.is_file():
            return archive
        with tempfile.TemporaryDirectory(prefix="usim-") as temporary:
            folder = Path(temporary)
            built = folder / "libcompiler_rt.a"
            run_zig(["build-lib", str(source), *options, f"-femit-bin={built}"], folder)
            keep_archive(archive, built.read_bytes())
        return archive

    def _driver(self) -> tuple[str, ...]:
        # -nostdinc: only these headers, whatever lies about in the system's folders.
        return (str(self._zig), "clang", "-nostdinc", "-isystem", str(self._headers))

    def _linker(self, core: Core) -> tuple[str, ...]:
        return (str(self._zig), "ld.lld", "-r")

    def _core_flags(self, core: Core) -> tuple[str, ...]:
        return (
            f"--target=arm-none-eabi{_hard(core)}",
            f"-mcpu={core.name}",
            "-mthumb",
            f"-mfpu={core.fpu or 'none'}",
            f"-mfloat-abi={core.float_abi}",
            # Otherwise Clang writes ARM's unwind index for each function, tables or no tables.
            "-fdwarf-exceptions",
        )

    def _naming_flags(self, name: str, folder: Path) -> tuple[str, ...]:
        return (
            *super()._naming_flags(name, folder),
            f"-ffile-prefix-map={self._headers}=clang/include",
            # Else the compile unit would be called "-", after the standard input.
            *("-Xclang", "-main-file-name", "-Xclang", name),
        )


def _hard(core: Core) -> str:
    return "hf" if core.float_abi == "hard" else ""


def _zig_cache(fallback: Path) -> Path:
    """A folder that lasts, so that the second build is quick; else one that goes with the build."""
    lasting = cache_folder() / "zig"
    try:
        lasting.mkdir(parents=True, exist_ok=True)
    except OSError:
        return fallback
    return lasting if os.access(lasting, os.W_OK) else fallback
