"""What DWARF tells of an object: signatures of its functions, and lines of its addresses."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.die import DIE
from elftools.elf.elffile import ELFFile

from usim.cache import Cache, content_key

# Changes when Parameter or Signature do, or what is read.
_CACHE_FORMAT: Final = "2"

ParameterKind = Literal["tensor", "pointer", "integer", "float", "unsupported"]

_SIGNED: Final = {0x05: True, 0x06: True, 0x0D: True, 0x07: False, 0x08: False, 0x02: False}
_DW_ATE_FLOAT: Final = 0x04
_TRANSPARENT: Final = frozenset(
    {
        "DW_TAG_typedef",
        "DW_TAG_const_type",
        "DW_TAG_volatile_type",
        "DW_TAG_restrict_type",
        "DW_TAG_atomic_type",
    }
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `element` is the numpy dtype of what a pointer points to ("" for void)."""

    name: str
    kind: ParameterKind
    c_type: str
    size_bytes: int
    signed: bool = False
    element: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """A function as C declared it. `returns` is "status" (int32_t), "void" or a type's name."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: str
    line: int = 0

    def __str__(self) -> str:
        inside = ", ".join(
            f"{p.c_type}{'' if p.c_type.endswith('*') else ' '}{p.name}" for p in self.parameters
        )
        return f"{self.name}({inside})"


@dataclass(frozen=True, slots=True)
class LineRow:
    """Code from `offset` of a section on belongs to a line."""

    section: int
    offset: int
    file: str
    line: int


def _follow(die: DIE | None) -> DIE | None:
    if die is None or "DW_AT_type" not in die.attributes:
        return None
    return die.get_DIE_from_attribute("DW_AT_type")


def _name(die: DIE) -> str:
    attribute = die.attributes.get("DW_AT_name")
    return attribute.value.decode(errors="replace") if attribute else ""


def _strip(die: DIE | None) -> DIE | None:
    while die is not None and die.tag in _TRANSPARENT:
        die = _follow(die)
    return die


def _c_type(die: DIE | None) -> str:
    if die is None:
        return "void"
    if die.tag == "DW_TAG_pointer_type":
        inner = _c_type(_follow(die))
        return inner + ("*" if inner.endswith("*") else " *")
    if die.tag == "DW_TAG_const_type":
        return f"const {_c_type(_follow(die))}"
    if die.tag in {"DW_TAG_volatile_type", "DW_TAG_restrict_type", "DW_TAG_atomic_type"}:
        return _c_type(_follow(die))
    return _name(die) or die.tag.removeprefix("DW_TAG_").removesuffix("_type")


def _number(die: DIE | None) -> DIE | None:
    """The base type of a number, enumerations included; None for anything else."""
    base = _strip(die)
    if base is not None and base.tag == "DW_TAG_enumeration_type":
        base = _strip(_follow(base))
    return base if base is not None and base.tag == "DW_TAG_base_type" else None


def _encoding(die: DIE | None) -> tuple[str, int, bool]:
    """(numpy kind, size in bytes, signed) of a number type; ("", 0, False) for anything else."""
    base = _number(die)
    if base is None:
        return "", 0, False
    size = base.attributes["DW_AT_byte_size"].value
    encoding = base.attributes["DW_AT_encoding"].value
    if encoding == _DW_ATE_FLOAT:
        return "f", size, True
    signed = _SIGNED.get(encoding)
    if signed is None:
        return "", 0, False
    return "i" if signed else "u", size, signed


def _pointer(name: str, c_type: str, target: DIE | None) -> Parameter:
    pointee = _strip(target)
    read_only = target is not None and target.tag == "DW_TAG_const_type"
    if c_type.replace("const ", "").rstrip(" *") in {"DLTensor", "struct DLTensor"}:
        return Parameter(name, "tensor", c_type, 4, read_only=read_only)
    kind, size, _ = _encoding(target)
    if pointee is not None and not kind:
        return Parameter(name, "unsupported", c_type, 4)
    element = f"{kind}{size}" if kind else ""
    return Parameter(name, "pointer", c_type, 4, element=element, read_only=read_only)


def _parameter(die: DIE) -> Parameter:
    declared = _follow(die)
    c_type, name = _c_type(declared), _name(die)
    resolved = _strip(declared)
    if resolved is not None and resolved.tag == "DW_TAG_pointer_type":
        return _pointer(name, c_type, _follow(resolved))
    kind, size, signed = _encoding(declared)
    if kind == "f" and size in (4, 8):
        return Parameter(name, "float", c_type, size)
    if kind in ("i", "u"):
        return Parameter(name, "integer", c_type, size, signed)
    return Parameter(name, "unsupported", c_type, size)


def _returns(die: DIE) -> str:
    declared = _follow(die)
    if declared is None:
        return "void"
    kind, size, signed = _encoding(declared)
    return "status" if (kind, size, signed) == ("i", 4, True) else _c_type(declared)


def _signatures(elf: ELFFile) -> Iterator[Signature]:
    for unit in elf.get_dwarf_info().iter_CUs():
        for die in unit.get_top_DIE().iter_children():
            if die.tag != "DW_TAG_subprogram" or "DW_AT_external" not in die.attributes:
                continue
            # Not by DW_AT_low_pc: GCC gives code that it has inlined or merged, too, an entry of
            # its own that refers to this one.
            if "DW_AT_declaration" in die.attributes:
                continue
            parameters = tuple(
                _parameter(child)
                for child in die.iter_children()
                if child.tag == "DW_TAG_formal_parameter"
            )
            line: Any = die.attributes.get("DW_AT_decl_line")
            yield Signature(_name(die), parameters, _returns(die), line.value if line else 0)


@lru_cache(maxsize=64)
def read_signatures(elf_bytes: bytes) -> dict[str, Signature]:
    """Signatures of the external functions that an object defines; empty without debug info.

    Reading DWARF takes longer than all the rest of loading a module, so what it says is kept in the
    cache beside the object.
    """
    cache, key = Cache(), content_key("signatures", _CACHE_FORMAT, elf_bytes)
    kept = cache.get(key)
    if kept is not None:
        return {item["name"]: _signature_from(item) for item in json.loads(kept)}
    try:
        elf = ELFFile(io.BytesIO(elf_bytes))
        found = list(_signatures(elf)) if elf.has_dwarf_info() else []
    except (ELFError, DWARFError, KeyError):
        return {}
    cache.put(key, json.dumps([asdict(signature) for signature in found]).encode())
    return {signature.name: signature for signature in found}


def _signature_from(item: dict[str, Any]) -> Signature:
    parameters = tuple(Parameter(**parameter) for parameter in item["parameters"])
    return Signature(item["name"], parameters, item["returns"], item["line"])


@lru_cache(maxsize=16)
def read_lines(elf_bytes: bytes) -> tuple[LineRow, ...]:
    """The line table, by section and offset; empty without debug info."""
    try:
        elf = ELFFile(io.BytesIO(elf_bytes))
        if not elf.has_dwarf_info():
            return ()
        return tuple(sorted(_line_rows(elf), key=lambda row: (row.section, row.offset)))
    except (ELFError, DWARFError, KeyError):
        return ()


def _line_rows(elf: ELFFile) -> Iterator[LineRow]:
    # In a relocatable object every function's addresses start at 0 of its own section, so the
    # relocations of .debug_line tell which section a sequence belongs to.
    starts = _sequence_sections(elf)
    dwarf = elf.get_dwarf_info(relocate_dwarf_sections=True)
    sequence = 0
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        files = program["file_entry"]
        first = 0 if program["version"] >= 5 else 1
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if state.end_sequence:
                sequence += 1
                continue
            if sequence < len(starts) and 0 <= state.file - first < len(files):
                name = files[state.file - first].name.decode(errors="replace")
                yield LineRow(starts[sequence], state.address, name, state.line)


def _sequence_sections(elf: ELFFile) -> list[int]:
    """Section index of each sequence of the line program, in order."""
    relocations = elf.get_section_by_name(".rel.debug_line")
    symbols = elf.get_section_by_name(".symtab")
    if relocations is None or symbols is None:
        return []
    indices = []
    for relocation in sorted(relocations.iter_relocations(), key=lambda r: r["r_offset"]):
        place = symbols.get_symbol(relocation["r_info_sym"])["st_shndx"]
        section = elf.get_section(place) if isinstance(place, int) else None
        if section is not None and section["sh_flags"] & 0x4:
            indices.append(place)
    return indices
