"""Reads an executable ELF file for a bare-metal Arm: segments, functions, symbols.

Source: System V ABI (ELF32), ELF for the Arm Architecture (IHI 0044).
"""

from __future__ import annotations

import difflib
import io
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from usim.errors import ProgramError
from usim.formatting import format_address
from usim.profile.build_attributes import check_architecture
from usim.profile.source import READ_ERRORS, SourceMap
from usim.timing.decode import Instruction, decode

_SHF_ALLOC: Final = 0x2
_SHF_EXECINSTR: Final = 0x4
_PF_X: Final = 0x1
# Debug information included; a chip holds 2 MiB.
_LARGEST_BYTES: Final = 256 << 20
# Of several names at one address, the one that says most.
_BINDING_ORDER: Final = {"STB_GLOBAL": 0, "STB_LOCAL": 1, "STB_WEAK": 2}


@dataclass(frozen=True, slots=True)
class Segment:
    """A PT_LOAD segment: its bytes are flashed to load_address, and belong at run_address."""

    load_address: int
    run_address: int
    data: bytes
    size_bytes: int  # in memory; what `data` leaves is zero
    executable: bool

    @property
    def is_moved(self) -> bool:
        """Whether start-up code has to copy it, as it does .data."""
        return bool(self.data) and self.load_address != self.run_address


@dataclass(frozen=True, slots=True)
class Block:
    """An allocated section: its name and where it runs."""

    name: str
    address: int
    size_bytes: int
    executable: bool

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.size_bytes


@dataclass(frozen=True, slots=True)
class Function:
    """A function, or a label in assembly where no function covers the code."""

    name: str
    address: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.size_bytes


class Program:
    """An executable: what of it goes where, and what its addresses mean."""

    def __init__(
        self,
        file: str,
        elf_bytes: bytes,
        segments: tuple[Segment, ...],
        sections: tuple[Block, ...],
        symbols: tuple[_Symbol, ...],
        marks: tuple[tuple[int, bool], ...],
    ) -> None:
        self.file = file
        self.segments = segments
        self.sections = sections
        self._elf_bytes = elf_bytes
        self._symbols = symbols
        self._marks = marks
        self.functions = tuple(_functions(symbols, sections))
        self._starts = [function.address for function in self.functions]

    @cached_property
    def source(self) -> SourceMap:
        """Lines and inlined code by address; read when first asked for."""
        return SourceMap.read(self._elf_bytes) if self._elf_bytes else SourceMap((), ())

    def function_at(self, address: int) -> Function | None:
        """The function whose code holds `address`."""
        position = bisect_right(self._starts, address) - 1
        if position < 0 or address >= self.functions[position].end:
            return None
        return self.functions[position]

    def code_of(self, function: Function) -> list[Instruction]:
        """All of a function's instructions, its literal pools left out."""
        found: list[Instruction] = []
        at, is_code = function.address, True
        marks = [mark for mark in self._marks if function.address < mark[0] < function.end]
        for address, next_is_code in [*marks, (function.end, False)]:
            if is_code:
                found += self._decode(at, address)
            at, is_code = address, next_is_code
        return found

    def _decode(self, at: int, end: int) -> Iterator[Instruction]:
        while at < end:
            load_address = self.load_address_of(at)
            if load_address is None:
                return
            pieces = decode(self._loaded(load_address, end - at), at)
            yield from pieces
            # What can't be decoded is skipped.
            at = pieces[-1].end if pieces else at + 2

    def _loaded(self, address: int, size_bytes: int) -> bytes:
        for segment in self.segments:
            offset = address - segment.load_address
            if 0 <= offset < len(segment.data):
                return segment.data[offset : offset + size_bytes]
        return b""

    def find_function(self, name: str) -> Function:
        """The function `name`; ProgramError with the nearest names if there is none."""
        address = self.find_address(name)
        function = self.function_at(address)
        if function is None:
            raise ProgramError(
                f"{name} is at {format_address(address)}, where {self.file} has no code",
                file=self.file,
                symbol=name,
            )
        return function

    def symbol_address(self, name: str) -> int | None:
        """The address of a symbol, bit 0 (Thumb) cleared for a function; None if unknown."""
        for symbol in self._symbols:
            if symbol.name == name:
                return symbol.address
        return None

    def find_address(self, name: str) -> int:
        """The address of a symbol, or a number as it is; ProgramError if there is no such."""
        if name[:1].isdigit():
            try:
                return int(name, 0) & ~1
            except ValueError:
                pass
        address = self.symbol_address(name)
        if address is not None:
            return address
        if not self._symbols:
            raise ProgramError(
                f"{self.file} has no symbols (stripped?): no {name!r} can be found in it; give an "
                "address, such as 0x0800_0200",
                file=self.file,
                symbol=name,
            )
        known = sorted({function.name for function in self.functions})
        close = difflib.get_close_matches(name, known, 3, 0.5) or known[:3]
        raise ProgramError(
            f"{self.file} has no symbol {name!r}; nearest: {', '.join(close) or '(none)'}",
            file=self.file,
            symbol=name,
        )

    def load_address_of(self, address: int) -> int | None:
        """Where the byte that runs at `address` is flashed to; None if no segment brings it."""
        for segment in self.segments:
            if 0 <= address - segment.run_address < len(segment.data):
                return segment.load_address + address - segment.run_address
        for segment in self.segments:
            if 0 <= address - segment.load_address < len(segment.data):
                return address
        return None

    def word_at(self, address: int) -> int | None:
        """The 32-bit word that the file brings for a load address."""
        word = self._loaded(address, 4)
        return int.from_bytes(word, "little") if len(word) == 4 else None

    def describe(self, address: int) -> str:
        """For instance "0x0800_0124 in scale+0x14 (kernel.c:7)"."""
        text = format_address(address)
        function = self.function_at(address)
        if function is not None:
            offset = address - function.address
            text += f" in {function.name}" + (f"+{offset:#x}" if offset else "")
        line = self.source.line_at(address)
        return f"{text} ({line.file}:{line.line})" if line else text


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    address: int
    size_bytes: int
    is_function: bool
    in_code: bool
    rank: int


def make_program(file: str, segments: tuple[Segment, ...]) -> Program:
    """A program of which only the bytes are known: no symbols, no debug information."""
    return Program(file, b"", segments, (), (), ())


def read_program(path: Path) -> Program:
    """Read an executable; ProgramError if it is not one for an Armv7-M core or an older one."""
    file = path.name
    elf_bytes = read_file(path)
    if not elf_bytes.startswith(b"\x7fELF"):
        raise ProgramError(
            f"{file} is not an ELF file (the linker's output is wanted, not a .bin or .hex)",
            file=file,
        )
    try:
        elf = ELFFile(io.BytesIO(elf_bytes))
        _check_kind(elf, file)
        check_architecture(elf, file)
        segments = tuple(_segments(elf, file, len(elf_bytes)))
        sections = tuple(_sections(elf))
        symbols = tuple(_symbols(elf))
        marks = tuple(sorted(_marks(elf)))
    except READ_ERRORS as exc:
        raise ProgramError(f"{file} is damaged: {exc or type(exc).__name__}", file=file) from exc
    if not segments:
        raise ProgramError(f"{file} has nothing to load (no PT_LOAD segment)", file=file)
    return Program(file, elf_bytes, segments, sections, symbols, marks)


def read_file(path: Path) -> bytes:
    """The bytes of an image; ProgramError if it can't be read, or has no end, as /dev/zero."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as exc:
        raise ProgramError(f"cannot read {path}: {exc.strerror}", file=str(path)) from exc
    if len(data) > _LARGEST_BYTES:
        raise ProgramError(
            f"{path} is larger than {_LARGEST_BYTES >> 20} MiB: is it an image for a chip?",
            file=str(path),
        )
    return data


def _check_kind(elf: ELFFile, file: str) -> None:
    if elf["e_machine"] != "EM_ARM" or elf.elfclass != 32:
        machine = str(elf["e_machine"]).removeprefix("EM_")
        raise ProgramError(
            f"{file} is for {machine} ({elf.elfclass} bits), not for a 32-bit Arm", file=file
        )
    if not elf.little_endian:
        raise ProgramError(f"{file} is big-endian; a Cortex-M7 here is little-endian", file=file)
    if elf["e_type"] != "ET_EXEC":
        kind = {"ET_REL": "an object file: link it first", "ET_DYN": "position-independent"}
        what = kind.get(elf["e_type"], f"of type {elf['e_type']}")
        raise ProgramError(f"{file} is no executable but {what}", file=file)


def _segments(elf: ELFFile, file: str, file_bytes: int) -> Iterator[Segment]:
    for entry in elf.iter_segments("PT_LOAD"):
        if entry["p_offset"] + entry["p_filesz"] > file_bytes:
            raise ProgramError(
                f"{file} is truncated: the segment of {format_address(entry['p_paddr'])} ends at "
                f"byte {entry['p_offset'] + entry['p_filesz']:,} of a file of {file_bytes:,}",
                file=file,
                address=entry["p_paddr"],
            )
        if entry["p_memsz"]:
            yield Segment(
                entry["p_paddr"],
                entry["p_vaddr"],
                entry.data(),
                entry["p_memsz"],
                bool(entry["p_flags"] & _PF_X),
            )


def _sections(elf: ELFFile) -> Iterator[Block]:
    for section in elf.iter_sections():
        if section["sh_flags"] & _SHF_ALLOC and section["sh_size"]:
            executable = bool(section["sh_flags"] & _SHF_EXECINSTR)
            yield Block(section.name, section["sh_addr"], section["sh_size"], executable)


def _symbols(elf: ELFFile) -> Iterator[_Symbol]:
    table = elf.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return
    for entry in table.iter_symbols():
        kind, place = entry["st_info"]["type"], entry["st_shndx"]
        # $a, $t and $d are mapping symbols: they tell code from data and name nothing.
        if not entry.name or entry.name.startswith("$") or place == "SHN_UNDEF":
            continue
        if kind in ("STT_SECTION", "STT_FILE"):
            continue
        yield _Symbol(
            entry.name,
            entry["st_value"] & (~1 if kind == "STT_FUNC" else ~0),
            entry["st_size"],
            kind == "STT_FUNC",
            _is_code(elf, place),
            _BINDING_ORDER.get(entry["st_info"]["bind"], 3),
        )


def _marks(elf: ELFFile) -> Iterator[tuple[int, bool]]:
    """Where code starts (True) and where data in code does: mapping symbols (IHI 0044, 5.5.5)."""
    table = elf.get_section_by_name(".symtab")
    if isinstance(table, SymbolTableSection):
        for entry in table.iter_symbols():
            if entry.name[:2] in ("$t", "$d") and _is_code(elf, entry["st_shndx"]):
                yield entry["st_value"] & ~1, entry.name[1] == "t"


def _is_code(elf: ELFFile, place: Any) -> bool:  # noqa: ANN401 - an index or a name
    if not isinstance(place, int):
        return False
    return bool(elf.get_section(place)["sh_flags"] & _SHF_EXECINSTR)


def _functions(symbols: Iterable[_Symbol], sections: tuple[Block, ...]) -> Iterator[Function]:
    """One function an address. What has no size reaches to the next one or the section's end."""
    best: dict[int, _Symbol] = {}
    order = sorted(
        (symbol for symbol in symbols if symbol.in_code),
        key=lambda s: (not s.is_function, s.rank, -s.size_bytes, s.name),
    )
    for symbol in order:
        best.setdefault(symbol.address, symbol)
    chosen = sorted(best.values(), key=lambda symbol: symbol.address)
    covered = 0
    kept = []
    for symbol in chosen:
        if not symbol.is_function and symbol.address < covered:
            continue  # a label inside a function
        kept.append(symbol)
        covered = max(covered, symbol.address + symbol.size_bytes)
    for number, symbol in enumerate(kept):
        limit = _section_end(symbol.address, sections)
        if number + 1 < len(kept):
            limit = min(limit, kept[number + 1].address)
        size = symbol.size_bytes or limit - symbol.address
        yield Function(symbol.name, symbol.address, max(min(size, limit - symbol.address), 0))


def _section_end(address: int, sections: tuple[Block, ...]) -> int:
    for section in sections:
        if section.address <= address < section.end:
            return section.end
    return address
