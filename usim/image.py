"""What usim needs of an ELF relocatable object: sections, symbols, relocations.

Source: System V ABI (ELF32), ELF for the Arm Architecture (IHI 0044).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from usim.errors import LinkError

_SHF_WRITE: Final = 0x1
_SHF_ALLOC: Final = 0x2
_SHF_EXECINSTR: Final = 0x4
# Unwind tables: no use on a device where nothing throws.
_IGNORED_PREFIXES: Final = (".ARM.exidx", ".ARM.extab")


class SectionKind(StrEnum):
    """Which of the platform's sections a section of an object belongs to."""

    TEXT = "text"
    RODATA = "rodata"
    DATA = "data"
    BSS = "bss"


@dataclass(frozen=True, slots=True)
class ObjectSection:
    """One allocated section."""

    index: int
    name: str
    kind: SectionKind
    size_bytes: int
    alignment: int
    data: bytes  # empty for bss


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol. `section` is None for an undefined one; value is an offset in its section."""

    name: str
    section: int | None
    value: int
    size_bytes: int
    type: Literal["func", "object", "section", "other"]
    binding: Literal["local", "global", "weak"]
    absolute: bool = False


@dataclass(frozen=True, slots=True)
class Relocation:
    """A place to be patched with the address of a symbol. The addend is in place (REL)."""

    section: int
    offset: int
    type: int
    symbol: int


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """A relocatable object as the loader wants it."""

    sections: tuple[ObjectSection, ...]
    symbols: tuple[Symbol, ...]
    relocations: tuple[Relocation, ...]

    def exported(self) -> Iterator[Symbol]:
        """The global and weak symbols that it defines."""
        for symbol in self.symbols:
            if symbol.binding != "local" and (symbol.section is not None or symbol.absolute):
                yield symbol

    def undefined(self) -> set[str]:
        """Names that a relocation needs and that it doesn't define (weak references left out)."""
        return {
            symbol.name
            for symbol in (self.symbols[relocation.symbol] for relocation in self.relocations)
            if symbol.section is None and not symbol.absolute and symbol.binding == "global"
        }


_TYPES: Final[dict[str, Literal["func", "object", "section"]]] = {
    "STT_FUNC": "func",
    "STT_OBJECT": "object",
    "STT_SECTION": "section",
}
_BINDINGS: Final[dict[str, Literal["local", "global", "weak"]]] = {
    "STB_LOCAL": "local",
    "STB_GLOBAL": "global",
    "STB_WEAK": "weak",
}


def _kind(flags: int, *, nobits: bool) -> SectionKind:
    if flags & _SHF_EXECINSTR:
        return SectionKind.TEXT
    if nobits:
        return SectionKind.BSS
    return SectionKind.DATA if flags & _SHF_WRITE else SectionKind.RODATA


def _read_sections(elf: ELFFile) -> Iterator[ObjectSection]:
    for index, section in enumerate(elf.iter_sections()):
        flags, size = section["sh_flags"], section["sh_size"]
        if not flags & _SHF_ALLOC or section.name.startswith(_IGNORED_PREFIXES):
            continue
        nobits = section["sh_type"] == "SHT_NOBITS"
        yield ObjectSection(
            index,
            section.name,
            _kind(flags, nobits=nobits),
            size,
            max(section["sh_addralign"], 1),
            b"" if nobits else section.data(),
        )


def _read_symbols(table: SymbolTableSection) -> Iterator[Symbol]:
    for entry in table.iter_symbols():
        place, info = entry["st_shndx"], entry["st_info"]
        if place == "SHN_COMMON":
            raise LinkError(
                f"common symbol {entry.name}: compile with -fno-common", symbol=entry.name
            )
        yield Symbol(
            entry.name,
            place if isinstance(place, int) else None,
            entry["st_value"],
            entry["st_size"],
            _TYPES.get(info["type"], "other"),
            _BINDINGS.get(info["bind"], "global"),
            absolute=place == "SHN_ABS",
        )


def _read_relocations(elf: ELFFile, wanted: set[int]) -> Iterator[Relocation]:
    for section in elf.iter_sections():
        if not isinstance(section, RelocationSection) or section["sh_info"] not in wanted:
            continue
        if section.is_RELA():
            raise LinkError(f"{section.name}: relocations with addends are not the Arm ABI's")
        for entry in section.iter_relocations():
            yield Relocation(
                section["sh_info"], entry["r_offset"], entry["r_info_type"], entry["r_info_sym"]
            )


@lru_cache(maxsize=64)
def read_object(elf_bytes: bytes) -> ObjectFile:
    """Read a 32-bit little-endian Arm relocatable object; LinkError if it is something else."""
    try:
        elf = ELFFile(io.BytesIO(elf_bytes))
        if elf["e_machine"] != "EM_ARM" or elf["e_type"] != "ET_REL" or not elf.little_endian:
            raise LinkError("not a little-endian Arm relocatable object (compile with -c)")
        sections = tuple(_read_sections(elf))
        table = elf.get_section_by_name(".symtab")
        symbols = tuple(_read_symbols(table)) if isinstance(table, SymbolTableSection) else ()
        relocations = tuple(_read_relocations(elf, {section.index for section in sections}))
    except ELFError as exc:
        raise LinkError(f"not a usable object file: {exc}") from exc
    return ObjectFile(sections, symbols, relocations)
