"""Builds C for the machine that usim runs on, with the compiler that came from PyPI."""

from __future__ import annotations

import atexit
import logging
import platform
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from usim.cache import cache_folder, content_key, write_atomically
from usim.errors import ToolchainError
from usim.toolchain.inputs import digest_of_folders
from usim.toolchain.process import run
from usim.toolchain.zig_clang import run_zig, zig_executable, zig_headers, zig_version

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOG = logging.getLogger(__name__)
_MACHINES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "riscv64": "riscv64",
    "ppc64le": "powerpc64le",
    "armv7l": "arm",
}
# The oldest glibc that any machine with Python 3.11 has: what is built there runs here as well.
_OLD_GLIBC = {"x86_64": ".2.17", "aarch64": ".2.17"}
_FLAGS = (
    "-O2",
    "-fPIC",
    "-std=c11",
    # Zig's cc adds UBSan traps by default.
    "-fno-sanitize=undefined",
    "-fvisibility=default",
)


def build_host_library(sources: Sequence[Path], name: str, flags: Sequence[str] = ()) -> Path:
    """Build the shared library `name` from C files and return its path, for `ctypes.CDLL`.

    With headers of the C library it takes some seconds: Zig has to build its stubs first. Cached by
    content (of the sources and of all files in their folders, which holds the headers), compiler,
    flags and host. Raises ToolchainError with the compiler's message.
    """
    paths = [Path(source).resolve() for source in sources]
    target = host_target()
    digest = digest_of_folders(sorted({path.parent for path in paths}))
    options = ["-target", target, *_FLAGS, *flags]
    names = [path.name for path in paths]
    key = content_key("host", zig_version(), *options, "sources", *names, digest or "")
    file_name = f"{name}{_suffix()}"
    kept = cache_folder() / "host" / f"{name}-{key[:16]}" / file_name
    if digest is not None and kept.is_file():
        return kept
    with tempfile.TemporaryDirectory(prefix="usim-") as temporary:
        folder = Path(temporary)
        built = folder / file_name
        if not _build_without_libc(paths, [*_FLAGS, *flags], folder, built):
            run_zig(["cc", *options, "-shared", *map(str, paths), "-o", str(built)], folder)
        data = built.read_bytes()
    return _keep(data, kept)


def _build_without_libc(
    sources: Sequence[Path], flags: Sequence[str], folder: Path, built: Path
) -> bool:
    """Build `built` with Clang and the linker alone, for systems with ELF; say whether it worked.

    What Clang calls by itself, such as memcpy, is found in the process that loads the library.
    Where this fails `zig cc` may do, or at least says in its own words what is wrong.
    """
    if not sys.platform.startswith("linux"):
        return False
    zig = str(zig_executable())
    # Clang does not know Zig's suffix for the version of glibc.
    triple = host_target().partition(".")[0]
    objects = [str(folder / f"{number}.o") for number in range(len(sources))]

    def compile_one(source: Path, target: str) -> bool:
        command = [zig, "clang", f"--target={triple}", "-nostdinc", "-isystem", str(zig_headers())]
        command += [*flags, "-c", str(source), "-o", target]
        return run(command, folder=folder).returncode == 0

    with ThreadPoolExecutor() as pool:
        if not all(pool.map(compile_one, sources, objects)):
            return False
    link = [zig, "ld.lld", "-shared", *objects, "-o", str(built)]
    return run(link, folder=folder).returncode == 0


@lru_cache(maxsize=1)
def host_target() -> str:
    """Return the Zig target of this Python's process.

    Not "native": that would use this very processor's instructions and this very glibc, and a
    cache in a shared home folder would then fail on the next machine.
    """
    machine = _MACHINES.get(platform.machine().lower())
    if machine is None:
        raise ToolchainError(f"usim cannot build native code for {platform.machine()} hosts")
    if sys.platform == "darwin":
        return f"{machine}-macos"
    if sys.platform == "win32":
        return f"{machine}-windows-gnu"
    abi = "gnu" if platform.libc_ver()[0] == "glibc" else "musl"
    if machine == "arm":
        return f"{machine}-linux-{abi}eabihf"
    return f"{machine}-linux-{abi}" + (_OLD_GLIBC.get(machine, "") if abi == "gnu" else "")


def _suffix() -> str:
    return {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


def _keep(data: bytes, path: Path) -> Path:
    """Put the library at `path`; without a writable cache, where it lasts as long as we do."""
    try:
        write_atomically(path, data)
    except OSError as exc:
        if path.is_file():  # Windows: another process has loaded it already
            return path
        _LOG.warning("cannot keep %s in the cache: %s", path, exc.strerror)
        folder = Path(tempfile.mkdtemp(prefix="usim-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = folder / path.name
        path.write_bytes(data)
    return path
