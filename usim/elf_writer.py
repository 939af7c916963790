"""Writes an executable ELF32 file for Arm: segments with their sections, and a symbol table.

Source: System V ABI (gABI 4.1), ELF for the Arm Architecture (IHI 0044).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

_EHDR: Final = struct.Struct("<16sHHIIIIIHHHHHH")
_PHDR: Final = struct.Struct("<8I")
_SHDR: Final = struct.Struct("<10I")
_SYM: Final = struct.Struct("<IIIBBH")
_IDENT: Final = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")  # 32 bits, little-endian, version 1
_ET_EXEC, _EM_ARM, _VERSION = 2, 40, 1
_EF_ARM_EABI5: Final = 0x0500_0000
_EF_ARM_ABI_FLOAT_HARD: Final = 0x400
_PT_LOAD: Final = 1
_PF_X, _PF_W, _PF_R = 1, 2, 4
_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB, _SHT_ARM_ATTRIBUTES = 1, 2, 3, 0x7000_0003
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4
_SHN_ABS: Final = 0xFFF1
_TYPES: Final = {"mark": 0, "object": 1, "func": 2}
_ALIGNMENT: Final = 4

Access = Literal["r", "rw", "rx"]


@dataclass(frozen=True, slots=True)
class ElfSection:
    """Bytes at an address; a segment and a section of the file."""

    name: str
    address: int
    data: bytes
    access: Access

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class ElfSymbol:
    """A name for an address. Bit 0 of a function's address is set where it is Thumb code.

    A "mark" says where code ($t) and data in code ($d) begin (IHI 0044, 5.5.5).
    """

    name: str
    address: int
    size_bytes: int
    type: Literal["func", "object", "mark"]
    is_global: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """A section that is not loaded."""

    name: str
    type: int
    data: bytes
    link: int = 0
    info: int = 0
    entry_bytes: int = 0


def write_elf(
    entry: int,
    sections: Sequence[ElfSection],
    symbols: Sequence[ElfSymbol],
    *,
    hard_float: bool,
    attributes: bytes = b"",
) -> bytes:
    """An executable's bytes. `entry` has bit 0 set for Thumb code; `attributes` is the content of
    .ARM.attributes, which tells debuggers and disassemblers of the core."""
    names = _Strings()
    symbol_names = _Strings()
    packed, locals_count = _pack_symbols(symbols, sections, symbol_names)
    count = len(sections)
    tables = [
        _Table(".ARM.attributes", _SHT_ARM_ATTRIBUTES, attributes),
        _Table(".symtab", _SHT_SYMTAB, packed, count + 3, locals_count, _SYM.size),
        _Table(".strtab", _SHT_STRTAB, bytes(symbol_names.data)),
    ]
    headers = [bytes(_SHDR.size)]
    body = bytearray()
    start = _EHDR.size + count * _PHDR.size
    segments = bytearray()
    for section in sections:
        body += b"\0" * (-(start + len(body)) % _ALIGNMENT)
        offset = start + len(body)
        segments += _segment(section, offset)
        headers.append(_section_header(section, names.add(section.name), offset))
        body += section.data
    for table in tables:
        body += b"\0" * (-(start + len(body)) % _ALIGNMENT)
        headers.append(_table_header(table, names.add(table.name), start + len(body)))
        body += table.data
    last = names.add(".shstrtab")
    table = _Table(".shstrtab", _SHT_STRTAB, bytes(names.data))
    headers.append(_table_header(table, last, start + len(body)))
    body += table.data
    body += b"\0" * (-(start + len(body)) % _ALIGNMENT)
    flags = _EF_ARM_EABI5 | (_EF_ARM_ABI_FLOAT_HARD if hard_float else 0)
    header = _EHDR.pack(
        _IDENT, _ET_EXEC, _EM_ARM, _VERSION, entry, _EHDR.size, start + len(body), flags,
        _EHDR.size, _PHDR.size, count, _SHDR.size, len(headers), len(headers) - 1,
    )  # fmt: skip
    return header + bytes(segments) + bytes(body) + b"".join(headers)


class _Strings:
    """A string table being built."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")
        self._known: dict[str, int] = {"": 0}

    def add(self, text: str) -> int:
        """The offset of `text`."""
        if text not in self._known:
            self._known[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self._known[text]


def _segment(section: ElfSection, offset: int) -> bytes:
    flags = _PF_R | _PF_W * ("w" in section.access) | _PF_X * ("x" in section.access)
    at, size = section.address, len(section.data)
    return _PHDR.pack(_PT_LOAD, offset, at, at, size, size, flags, _ALIGNMENT)


def _section_header(section: ElfSection, name: int, offset: int) -> bytes:
    flags = _SHF_ALLOC | _SHF_WRITE * ("w" in section.access)
    flags |= _SHF_EXECINSTR * ("x" in section.access)
    size = len(section.data)
    return _SHDR.pack(
        name, _SHT_PROGBITS, flags, section.address, offset, size, 0, 0, _ALIGNMENT, 0
    )


def _table_header(table: _Table, name: int, offset: int) -> bytes:
    size = len(table.data)
    return _SHDR.pack(
        name, table.type, 0, 0, offset, size, table.link, table.info, 1, table.entry_bytes
    )


def _pack_symbols(
    symbols: Sequence[ElfSymbol], sections: Sequence[ElfSection], names: _Strings
) -> tuple[bytes, int]:
    """The symbol table, and how many of its entries are local; those come first."""
    packed = bytearray(_SYM.size)
    ordered = sorted(symbols, key=lambda symbol: (symbol.is_global, symbol.address, symbol.name))
    for symbol in ordered:
        info = int(symbol.is_global) << 4 | _TYPES[symbol.type]
        place = _section_of(symbol, sections)
        packed += _SYM.pack(
            names.add(symbol.name), symbol.address, symbol.size_bytes, info, 0, place
        )
    return bytes(packed), 1 + sum(not symbol.is_global for symbol in ordered)


def _section_of(symbol: ElfSymbol, sections: Sequence[ElfSection]) -> int:
    address = symbol.address & ~int(symbol.type == "func")
    for index, section in enumerate(sections, start=1):
        if section.address <= address < section.end:
            return index
    return _SHN_ABS  # memory that nothing is loaded to, such as an output
