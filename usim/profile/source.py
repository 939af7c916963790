"""What DWARF tells of an executable's addresses: source lines, and code inlined from elsewhere."""

from __future__ import annotations

import io
import logging
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.elf.elffile import ELFFile

_LOG = logging.getLogger(__name__)

# How pyelftools reports damage, depending on where it is.
READ_ERRORS: Final = (
    ELFError,
    DWARFError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_HIGH_PC_IS_ADDRESS: Final = "DW_FORM_addr"
# Linkers leave the debug information of dropped functions behind, at one of these addresses.
_DROPPED: Final = (0xFFFF_FFFF, 0xFFFF_FFFE)


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line. `file` is as the compiler was given it; `path` includes where it was compiled."""

    file: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class InlinedRange:
    """Code of [start, end) that belongs to the function `name`, inlined at `depth` levels."""

    start: int
    end: int
    name: str
    depth: int


class SourceMap:
    """Lines and inlined functions by address; empty without debug information."""

    def __init__(
        self, rows: Iterable[tuple[int, SourceLine | None]], inlined: Iterable[InlinedRange]
    ) -> None:
        # Where one sequence ends (None) and another starts, the start is what counts.
        ordered = sorted(rows, key=lambda row: (row[0], row[1] is not None))
        self._addresses = [address for address, _ in ordered]
        self._lines = [line for _, line in ordered]
        self._inlined = sorted(inlined, key=lambda item: (item.start, item.depth))
        self._starts = [item.start for item in self._inlined]
        self._longest = max((item.end - item.start for item in self._inlined), default=0)

    @classmethod
    def read(cls, elf_bytes: bytes) -> SourceMap:
        """Read the debug information of an executable; what is damaged in it counts as absent."""
        try:
            elf = ELFFile(io.BytesIO(elf_bytes))
            if not elf.has_dwarf_info():
                return cls((), ())
            dwarf = elf.get_dwarf_info()
            return cls(list(_rows(dwarf)), list(_inlined_ranges(dwarf)))
        except READ_ERRORS as exc:
            _LOG.warning("debug information is not usable: %s", exc or type(exc).__name__)
            return cls((), ())

    def line_at(self, address: int) -> SourceLine | None:
        """The source line of the code at `address`."""
        position = bisect_right(self._addresses, address) - 1
        return self._lines[position] if position >= 0 else None

    def inlined_at(self, address: int) -> tuple[str, ...]:
        """Functions that the code at `address` was inlined from, outermost first."""
        position = bisect_right(self._starts, address) - 1
        found: list[InlinedRange] = []
        while position >= 0 and address - self._starts[position] < self._longest:
            item = self._inlined[position]
            if item.start <= address < item.end:
                found.append(item)
            position -= 1
        return tuple(item.name for item in sorted(found, key=lambda item: item.depth))


def _rows(dwarf: DWARFInfo) -> Iterator[tuple[int, SourceLine | None]]:
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        lines = _LineMaker(program, unit.get_top_DIE())
        dropped = True
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if state.end_sequence:
                if not dropped:
                    yield state.address, None
                dropped = True
                continue
            dropped = state.address in _DROPPED
            if not dropped:
                yield state.address, lines.make(state.file, state.line)


class _LineMaker:
    """Makes SourceLines of a unit's file numbers (DWARF 4 section 6.2.4, DWARF 5 section 6.2.4)."""

    def __init__(self, program: Any, top: DIE) -> None:  # noqa: ANN401 - no types
        self._files = program["file_entry"]
        self._folders = program["include_directory"]
        self._first = 0 if program["version"] >= 5 else 1
        compiled_in = top.attributes.get("DW_AT_comp_dir")
        self._root = PurePosixPath(
            compiled_in.value.decode(errors="replace") if compiled_in else ""
        )
        self._known: dict[tuple[int, int], SourceLine | None] = {}

    def make(self, file: int, line: int) -> SourceLine | None:
        key = (file, line)
        if key not in self._known:
            self._known[key] = self._make(file, line)
        return self._known[key]

    def _make(self, file: int, line: int) -> SourceLine | None:
        number = file - self._first
        if not 0 <= number < len(self._files) or line == 0:
            return None
        entry = self._files[number]
        name = entry.name.decode(errors="replace")
        folder = entry.dir_index - self._first
        inside = PurePosixPath()
        if 0 <= folder < len(self._folders):
            inside = PurePosixPath(self._folders[folder].decode(errors="replace"))
        return SourceLine(PurePosixPath(name).name, str(self._root / inside / name), line)


def _inlined_ranges(dwarf: DWARFInfo) -> Iterator[InlinedRange]:
    for unit in dwarf.iter_CUs():
        yield from _inlined_in(dwarf, unit.get_top_DIE(), 0)


def _inlined_in(dwarf: DWARFInfo, parent: DIE, depth: int) -> Iterator[InlinedRange]:
    for die in parent.iter_children():
        if die.tag == "DW_TAG_inlined_subroutine":
            name = _origin_name(die)
            for start, end in _ranges(dwarf, die):
                yield InlinedRange(start, end, name, depth)
            yield from _inlined_in(dwarf, die, depth + 1)
        elif die.has_children and die.tag in (
            "DW_TAG_subprogram",
            "DW_TAG_lexical_block",
            "DW_TAG_namespace",
        ):
            yield from _inlined_in(dwarf, die, depth)


def _origin_name(die: DIE) -> str:
    while "DW_AT_name" not in die.attributes:
        for link in ("DW_AT_abstract_origin", "DW_AT_specification"):
            if link in die.attributes:
                die = die.get_DIE_from_attribute(link)
                break
        else:
            return "(unnamed)"
    name = die.attributes["DW_AT_name"].value
    return str(name.decode(errors="replace"))


def _ranges(dwarf: DWARFInfo, die: DIE) -> Iterator[tuple[int, int]]:
    low, high = die.attributes.get("DW_AT_low_pc"), die.attributes.get("DW_AT_high_pc")
    if low is not None and high is not None:
        end = high.value if high.form == _HIGH_PC_IS_ADDRESS else low.value + high.value
        if low.value not in _DROPPED:
            yield low.value, end
    elif "DW_AT_ranges" in die.attributes:
        yield from _range_list(dwarf, die)


def _range_list(dwarf: DWARFInfo, die: DIE) -> Iterator[tuple[int, int]]:
    lists = dwarf.range_lists()
    if lists is None:
        return
    base = die.cu.get_top_DIE().attributes.get("DW_AT_low_pc")
    start = base.value if base is not None else 0
    offset = die.attributes["DW_AT_ranges"].value
    for entry in lists.get_range_list_at_offset(offset, cu=die.cu):
        if hasattr(entry, "base_address"):
            start = entry.base_address
        elif getattr(entry, "is_absolute", False):
            yield entry.begin_offset, entry.end_offset
        else:
            yield start + entry.begin_offset, start + entry.end_offset
