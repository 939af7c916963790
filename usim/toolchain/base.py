"""What every C compiler for the device does: compile, give its runtime archive, link partially."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from usim.cache import Cache, content_key, write_atomically
from usim.errors import LinkError, ToolchainError
from usim.toolchain.diagnostics import log_warnings, make_compile_error
from usim.toolchain.inputs import digest_of_folders, has_unseen_inputs
from usim.toolchain.objects import undefined_symbols
from usim.toolchain.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usim.platforms import Core

# Changes whenever the meaning of a cached object does, other than by what is in its key.
_CACHE_FORMAT = "1"

_COMMON_FLAGS = (
    "-std=c11",
    "-O2",
    "-g",
    "-Wall",
    # There is no C library below: loops stay loops (no hidden calls of memset in what is timed).
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-fno-pic",
    "-fno-exceptions",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    # The bare-metal AAPCS: an enum takes the smallest type that holds it. Both compilers alike.
    "-fshort-enums",
    # Fused or not must not depend on the compiler: results are compared bit for bit.
    "-ffp-contract=off",
    # There is no errno, and with one __builtin_sqrtf would be a call, not an instruction.
    "-fno-math-errno",
    "-Werror=implicit-function-declaration",
)


class Toolchain(ABC):
    """A C compiler for the device's core.

    1. `find_toolchain` finds one; nothing runs but a look at its version.
    2. `compile` gives an ELF relocatable object.
    3. `partial_link` joins objects and adds what they call of the compiler's own runtime functions
       (64-bit division, double precision, memcpy) from the archive `builtins`.

    All results are cached by content and may be used from several processes at once.
    """

    name: str
    # What makes the linker take single functions from an archive, where its members are larger.
    _collecting_flags: tuple[str, ...] = ()

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = cache or Cache()

    @property
    @abstractmethod
    def version(self) -> str:
        """Compiler and where it comes from, for example "clang 22.1.8 (ziglang 0.17.1)"."""

    @abstractmethod
    def builtins(self, core: Core) -> Path | None:
        """Return the archive of the compiler's runtime functions for `core`, None if it has none.

        Clang's is built on first use, which takes some seconds.
        """

    @abstractmethod
    def _driver(self) -> tuple[str, ...]:
        """The command that compiles C."""

    @abstractmethod
    def _linker(self, core: Core) -> tuple[str, ...]:
        """The command that links to a relocatable object; plain `ld` options can follow."""

    @abstractmethod
    def _core_flags(self, core: Core) -> tuple[str, ...]:
        """What selects the instruction set and the calling convention."""

    def _naming_flags(self, name: str, folder: Path) -> tuple[str, ...]:
        """What keeps this machine's paths out of the object and puts the user's `name` in."""
        return (f"-fdebug-prefix-map={folder}=.",)

    def flags_for(self, core: Core) -> tuple[str, ...]:
        """Return the flags with which C is compiled for `core`, as results report them."""
        return (*self._core_flags(core), *_COMMON_FLAGS)

    def compile(
        self,
        source: str,
        *,
        name: str = "module.c",
        core: Core,
        include: Sequence[Path] = (),
        flags: Sequence[str] = (),
    ) -> bytes:
        """Compile C to an ELF relocatable object; messages and line numbers name it `name`.

        `flags` come last and so may change the defaults. Warnings are logged. Raises CompileError.
        """
        folders = tuple(Path(folder).resolve() for folder in include)
        options = (*self.flags_for(core), *flags)
        digest = None if has_unseen_inputs(flags) else digest_of_folders(folders)
        if digest is None:
            return self._compile_now(source, name, folders, options)[0]
        key = content_key("object", _CACHE_FORMAT, self.version, name, source, digest, *options)
        found = self._cache.get(key)
        if found is not None:
            return found
        compiled, quiet = self._compile_now(source, name, folders, options)
        if quiet:  # what warns is compiled again, so that the warning is not seen only once
            self._cache.put(key, compiled)
        return compiled

    def partial_link(self, objects: Sequence[bytes], archive: Path | None, core: Core) -> bytes:
        """Join `objects`, and what they need from `archive`, to one relocatable object.

        Sections keep their names, nothing of `objects` is dropped, and a symbol that is nowhere
        stays undefined. Raises LinkError, as for a symbol that is defined twice.
        """
        if archive is not None and not undefined_symbols(objects):
            archive = None
        if len(objects) == 1 and archive is None:
            return objects[0]
        library = archive.read_bytes() if archive is not None else b""
        key = content_key("linked", _CACHE_FORMAT, self.version, library, *objects)
        found = self._cache.get(key)
        if found is None:
            found = self._link_now(objects, archive, core)
            self._cache.put(key, found)
        return found

    def _compile_now(
        self, source: str, name: str, folders: Sequence[Path], options: Sequence[str]
    ) -> tuple[bytes, bool]:
        """The object, and whether the compiler had nothing to say."""
        with tempfile.TemporaryDirectory(prefix="usim-") as temporary:
            folder = Path(temporary).resolve()
            output = folder / "module.o"
            command = [
                *self._driver(),
                *options,
                *(f"-I{path}" for path in folders),
                *(f"-ffile-prefix-map={path}={path.name}" for path in folders),
                *self._naming_flags(name, folder),
                *("-x", "c", "-", "-c", "-o", str(output)),
            ]
            done = run(command, folder=folder, source=f"{_line_marker(name)}\n{source}")
            if done.returncode != 0:
                raise make_compile_error(command, name, done.stderr, done.returncode)
            log_warnings(done.stderr)
            return output.read_bytes(), not done.stderr.strip()

    def _link_now(self, objects: Sequence[bytes], archive: Path | None, core: Core) -> bytes:
        with tempfile.TemporaryDirectory(prefix="usim-") as temporary:
            folder = Path(temporary)
            inputs = [f"{index}.o" for index in range(len(objects))]
            for file, data in zip(inputs, objects, strict=True):
                (folder / file).write_bytes(data)
            if archive is not None:
                # Collected on their own: collecting in the final link would also drop what the
                # objects have and nothing refers to, such as a vector table.
                wanted = [f"--undefined={symbol}" for symbol in sorted(undefined_symbols(objects))]
                self._link(
                    core,
                    folder,
                    [*self._collecting_flags, *wanted, str(archive), "-o", "runtime.o"],
                )
                inputs.append("runtime.o")
            self._link(core, folder, [*inputs, "-o", "linked.o"])
            return (folder / "linked.o").read_bytes()

    def _link(self, core: Core, folder: Path, options: list[str]) -> None:
        command = [*self._linker(core), *options]
        done = run(command, folder=folder)
        if done.returncode != 0:
            # GNU ld says first in which function: "1.o: in function `d':".
            lines = [line for line in done.stderr.splitlines() if line and line[-1] != ":"]
            said = lines[0] if lines else f"{command[0]} failed with status {done.returncode}"
            raise LinkError(said, command=tuple(command), output=done.stderr)


def keep_archive(path: Path, data: bytes) -> None:
    """Put a runtime archive at its place in the cache. Raises ToolchainError.

    Without a place to keep it, every process would build it anew and leave it lying about.
    """
    try:
        write_atomically(path, data)
    except OSError as exc:
        message = (
            f"cannot keep the compiler's runtime in {path.parent}: {exc.strerror}; "
            "set USIM_CACHE_DIR to a folder that can be written"
        )
        raise ToolchainError(message) from exc


def _line_marker(name: str) -> str:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'#line 1 "{quoted}"'
