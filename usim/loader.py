"""Places objects on the device: addresses for their sections, relocation, patched helper pointers.

Objects that are loaded together may refer to each other. All code of one load lies in one block, so
that its calls reach; a call that leaves the block for a place out of reach goes through a veneer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from usim.errors import LinkError, MemoryFullError
from usim.image import ObjectFile, ObjectSection, SectionKind, Symbol
from usim.memory import Block, SectionAllocator
from usim.relocations import BRANCHES, Target, branch_reaches, relocate

# ldr.w pc, [pc] (A7.7.44, T2: literal at Align(pc, 4) + 0); then the address.
_VENEER_CODE: Final = struct.pack("<HH", 0xF8DF, 0xF000)
_VENEER_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class PlacedSymbol:
    """A symbol at its address; code has bit 0 clear here."""

    name: str
    address: int
    size_bytes: int
    is_function: bool
    is_global: bool


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """Objects at their final addresses."""

    blocks: Mapping[SectionKind, Block]
    contents: Mapping[SectionKind, bytes]
    symbols: tuple[PlacedSymbol, ...]
    # Where each section of each object went: (object number, section index) -> address.
    section_addresses: Mapping[tuple[int, int], int] = field(repr=False)

    def size_bytes(self, kind: SectionKind) -> int:
        """Bytes in one of the platform's sections."""
        return len(self.contents.get(kind, b""))

    def symbol(self, name: str) -> PlacedSymbol | None:
        """A global symbol, or None."""
        for symbol in self.symbols:
            if symbol.name == name and symbol.is_global:
                return symbol
        return None


@dataclass(slots=True)
class _Layout:
    """Offsets of all sections inside the four blocks."""

    offsets: dict[tuple[int, int], tuple[SectionKind, int]] = field(default_factory=dict)
    sizes: dict[SectionKind, int] = field(default_factory=dict)
    alignments: dict[SectionKind, int] = field(default_factory=dict)

    def add(self, number: int, section: ObjectSection) -> None:
        at = self.sizes.get(section.kind, 0)
        at += -at % section.alignment
        self.offsets[number, section.index] = section.kind, at
        self.sizes[section.kind] = at + section.size_bytes
        self.alignments[section.kind] = max(self.alignments.get(section.kind, 8), section.alignment)

    def reserve_veneers(self, count: int) -> int:
        """Room for `count` veneers behind the code; returns its offset."""
        at = self.sizes.get(SectionKind.TEXT, 0)
        at += -at % 4
        if count:
            self.sizes[SectionKind.TEXT] = at + count * _VENEER_BYTES
        return at


class _Link:
    """One load in progress."""

    def __init__(self, objects: Sequence[ObjectFile], externals: Mapping[str, Target]) -> None:
        self.objects = objects
        self.externals = externals
        self.layout = _Layout()
        for number, item in enumerate(objects):
            for section in item.sections:
                self.layout.add(number, section)
        self.globals = self._collect_globals()
        self.veneers: dict[str, int] = {}
        self.veneers_at = self.layout.reserve_veneers(len(self._called_externals()))
        self.memory = {kind: bytearray(size) for kind, size in self.layout.sizes.items()}
        self.blocks: dict[SectionKind, Block] = {}

    def _collect_globals(self) -> dict[str, tuple[int, Symbol]]:
        found: dict[str, tuple[int, Symbol]] = {}
        for number, item in enumerate(self.objects):
            for symbol in item.exported():
                earlier = found.get(symbol.name)
                if earlier is None or earlier[1].binding == "weak":
                    found[symbol.name] = number, symbol
                elif symbol.binding == "global":
                    raise LinkError(f"{symbol.name} is defined twice", symbol=symbol.name)
        return found

    def _called_externals(self) -> set[str]:
        return {
            item.symbols[relocation.symbol].name
            for item in self.objects
            for relocation in item.relocations
            if relocation.type in BRANCHES
            and item.symbols[relocation.symbol].name in self.externals
            and item.symbols[relocation.symbol].name not in self.globals
        }

    def address_of_section(self, number: int, index: int) -> int:
        kind, offset = self.layout.offsets[number, index]
        # Without a block there is no byte of that kind, and nothing that needs an address.
        return self.blocks[kind].address + offset if kind in self.blocks else 0

    def target(self, number: int, symbol: Symbol) -> Target:
        """Where a symbol is; 0 for a weak one that nobody defines."""
        defined_in = number
        if symbol.binding != "local" and symbol.name in self.globals:
            defined_in, symbol = self.globals[symbol.name]
        elif symbol.section is None and not symbol.absolute and symbol.binding != "local":
            return self.externals.get(symbol.name, Target(symbol.name, 0, thumb=False))
        if symbol.section is None:
            return Target(symbol.name, symbol.value & ~1, thumb=bool(symbol.value & 1))
        if (defined_in, symbol.section) not in self.layout.offsets:
            raise LinkError(
                f"{symbol.name} lies in a section that is not loaded", symbol=symbol.name
            )
        thumb = symbol.type == "func" and bool(symbol.value & 1)
        base = self.address_of_section(defined_in, symbol.section)
        return Target(symbol.name, base + (symbol.value & ~int(thumb)), thumb=thumb)

    def veneer(self, target: Target) -> Target:
        """A jump to `target` in the same block as the caller."""
        if target.name not in self.veneers:
            offset = self.veneers_at + len(self.veneers) * _VENEER_BYTES
            self.veneers[target.name] = offset
            code = _VENEER_CODE + struct.pack("<I", target.value)
            self.memory[SectionKind.TEXT][offset : offset + _VENEER_BYTES] = code
        address = self.blocks[SectionKind.TEXT].address + self.veneers[target.name]
        return Target(f"veneer of {target.name}", address, thumb=True)

    def copy_sections(self) -> None:
        for number, item in enumerate(self.objects):
            for section in item.sections:
                if not section.data:
                    continue
                kind, offset = self.layout.offsets[number, section.index]
                self.memory[kind][offset : offset + len(section.data)] = section.data

    def relocate_all(self) -> None:
        for number, item in enumerate(self.objects):
            for relocation in item.relocations:
                kind, offset = self.layout.offsets[number, relocation.section]
                offset += relocation.offset
                place = self.blocks[kind].address + offset
                target = self.target(number, item.symbols[relocation.symbol])
                if relocation.type in BRANCHES and not branch_reaches(place, target.address):
                    target = self.veneer(target)
                relocate(self.memory[kind], offset, place, relocation.type, target)

    def patch_pointers(self, helpers: Mapping[str, Target]) -> None:
        """Write helpers' addresses into the objects' own pointer variables of the same names."""
        for name, helper in helpers.items():
            if name not in self.globals:
                continue
            number, symbol = self.globals[name]
            if symbol.section is None or symbol.type != "object":
                continue
            kind, offset = self.layout.offsets[number, symbol.section]
            struct.pack_into("<I", self.memory[kind], offset + symbol.value, helper.value)

    def placed_symbols(self) -> Iterator[PlacedSymbol]:
        for number, item in enumerate(self.objects):
            for symbol in item.symbols:
                if symbol.section is None or symbol.type not in {"func", "object"}:
                    continue
                if symbol.binding != "local" and self.globals[symbol.name] != (number, symbol):
                    continue  # a weak one that another replaces
                if (number, symbol.section) in self.layout.offsets:
                    yield PlacedSymbol(
                        symbol.name,
                        self.target(number, symbol).address,
                        symbol.size_bytes,
                        symbol.type == "func",
                        symbol.binding != "local",
                    )


def missing_symbols(objects: Sequence[ObjectFile], externals: Mapping[str, Target]) -> set[str]:
    """Names that the objects need and that neither they nor `externals` define."""
    defined = {symbol.name for item in objects for symbol in item.exported()}
    needed = {name for item in objects for name in item.undefined()}
    return needed - defined - set(externals)


def load(
    objects: Sequence[ObjectFile],
    allocators: Mapping[str, SectionAllocator],
    externals: Mapping[str, Target],
    helpers: Mapping[str, Target],
) -> LoadedImage:
    """Allocate, relocate and patch. Nothing is written to the device here.

    `externals` resolve undefined symbols; `helpers` are what pointer variables of those names are
    patched with. LinkError for an undefined symbol, MemoryFullError if a section has no room (what
    was allocated by then is freed).
    """
    missing = missing_symbols(objects, externals)
    if missing:
        names = ", ".join(sorted(missing))
        raise LinkError(f"undefined symbol {names}", symbol=sorted(missing)[0])
    link = _Link(objects, externals)
    try:
        for kind, size in link.layout.sizes.items():
            if size:
                alignment = link.layout.alignments[kind]
                link.blocks[kind] = allocators[kind].allocate(size, alignment)
            else:
                del link.memory[kind]
        link.copy_sections()
        link.relocate_all()
        link.patch_pointers(helpers)
    except (LinkError, MemoryFullError):
        for kind, block in link.blocks.items():
            allocators[kind].free(block)
        raise
    return LoadedImage(
        link.blocks,
        {kind: bytes(memory) for kind, memory in link.memory.items()},
        tuple(link.placed_symbols()),
        {
            key: link.address_of_section(*key)
            for key, (kind, _) in link.layout.offsets.items()
            if kind in link.blocks
        },
    )
