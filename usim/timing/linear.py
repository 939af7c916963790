"""Addresses as functions of a block's entry registers: linear forms, and cells for what is not."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

_MASK: Final = 0xFFFF_FFFF
_MAX_TERMS: Final = 2
# Terms below are registers, from here on cells.
FIRST_CELL: Final = 16
MAX_CELLS: Final = 16

CellKind = Literal["load", "or", "and", "xor", "lsr", "asr", "negate"]
_FUNCTIONS: Final[dict[CellKind, Callable[[int, int], int]]] = {
    "or": operator.or_,
    "and": operator.and_,
    "xor": operator.xor,
    "lsr": operator.rshift,
    "asr": lambda source, bits: (source - (source >> 31 << 32)) >> bits,
    "negate": lambda source, _: -source,
}


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + sum of (term << shift), terms being registers at the block's entry, or cells."""

    constant: int
    terms: tuple[tuple[int, int], ...] = ()

    def plus(self, other: Linear) -> Linear | None:
        """The sum, or None if it has too many terms."""
        terms = tuple(sorted((*self.terms, *other.terms)))
        return Linear(self.constant + other.constant, terms) if len(terms) <= _MAX_TERMS else None

    def value(self, terms: Callable[[int], int]) -> int:
        """The address, with terms(number) as at the block's entry."""
        total = self.constant + sum(terms(number) << shift for number, shift in self.terms)
        return total & _MASK

    def shifted(self, bits: int) -> Linear:
        """Shifted left."""
        terms = ((number, shift + bits) for number, shift in self.terms)
        # What is shifted out of 32 bits is gone.
        return Linear(self.constant << bits, tuple(term for term in terms if term[1] < 32))

    def renumbered(self, numbers: dict[int, int]) -> Linear:
        """With other numbers of cells."""
        return Linear(self.constant, tuple((numbers.get(n, n), shift) for n, shift in self.terms))

    @property
    def cells(self) -> list[int]:
        """Which cells it takes, from 0 on."""
        return [number - FIRST_CELL for number, _ in self.terms if number >= FIRST_CELL]


@dataclass(frozen=True, slots=True)
class Cell:
    """A value at the block's entry that is no linear form: of memory, or a function of `source`.

    `operand` is a constant; of a load, the size in bytes, negative if it is signed.
    """

    kind: CellKind
    source: Linear
    operand: int = 0

    def value(self, terms: Callable[[int], int], load: Callable[[int, int], int]) -> int:
        """What native code finds, with load(address, size)."""
        source = self.source.value(terms)
        if self.kind == "load":
            size = abs(self.operand)
            loaded = load(source, size)
            negative = self.operand < 0 and loaded >> 8 * size - 1
            return (loaded - (1 << 8 * size) if negative else loaded) & _MASK
        return _FUNCTIONS[self.kind](source, self.operand) & _MASK


@dataclass(frozen=True, slots=True)
class Access:
    """Bytes that an instruction, or several with neighbouring addresses, read or write."""

    address: Linear
    size_bytes: int
    is_write: bool
    transfers: int = 1  # on a bus of 64 bits: one an instruction, or a doubleword


@dataclass(frozen=True, slots=True)
class BlockAccesses:
    """A block's accesses with their instructions' addresses.

    `known` ones follow from registers and memory at the block's entry, `at_instruction` from the
    registers when the instruction runs. `merged` are the known ones, neighbours joined.
    """

    known: tuple[tuple[int, Access], ...]
    at_instruction: tuple[tuple[int, Access], ...]
    cells: tuple[Cell, ...] = ()

    @property
    def merged(self) -> tuple[Access, ...]:
        return tuple(_merged([access for _, access in self.known]))

    def terms(
        self, registers: Callable[[int], int], load: Callable[[int, int], int]
    ) -> Callable[[int], int]:
        """What Linear.value wants, with registers and memory as they are now."""
        values: list[int] = []

        def term(number: int) -> int:
            return registers(number) if number < FIRST_CELL else values[number - FIRST_CELL]

        for cell in self.cells:
            values.append(cell.value(term, load))
        return term


def with_few_cells(
    known: list[tuple[int, Access]], cells: list[Cell]
) -> tuple[list[tuple[int, Access]], list[int], tuple[Cell, ...]]:
    """Of known accesses those that MAX_CELLS suffice for, the others' places, and the cells."""
    kept: dict[int, int] = {}
    possible: list[tuple[int, Access]] = []
    left_out: list[int] = []
    for place, access in known:
        needed = [cell for cell in _closure(access.address, cells) if cell not in kept]
        if len(kept) + len(needed) > MAX_CELLS:
            left_out.append(place)
            continue
        for cell in needed:
            kept[cell] = len(kept)
        possible.append((place, access))
    numbers = {old + FIRST_CELL: new + FIRST_CELL for old, new in kept.items()}
    renumbered = [
        (place, replace(access, address=access.address.renumbered(numbers)))
        for place, access in possible
    ]
    used = (cells[old] for old in kept)
    return (
        renumbered,
        left_out,
        tuple(replace(cell, source=cell.source.renumbered(numbers)) for cell in used),
    )


def _closure(address: Linear, cells: list[Cell]) -> list[int]:
    """The cells that an address needs, each behind those that it needs itself."""
    found: dict[int, None] = {}
    for cell in address.cells:
        found.update(dict.fromkeys((*_closure(cells[cell].source, cells), cell)))
    return list(found)


def _merged(accesses: list[Access]) -> Iterator[Access]:
    """Join accesses of one kind that have the same terms and touch each other."""
    groups: dict[tuple[tuple[tuple[int, int], ...], bool], list[Access]] = {}
    for access in accesses:
        groups.setdefault((access.address.terms, access.is_write), []).append(access)
    for (terms, is_write), members in groups.items():
        members.sort(key=lambda access: access.address.constant)
        start = end = members[0].address.constant
        transfers = 0
        for access in members:
            at = access.address.constant
            if at > end:
                yield Access(Linear(start, terms), end - start, is_write, transfers)
                start = end = at
                transfers = 0
            end = max(end, at + access.size_bytes)
            transfers += access.transfers
        yield Access(Linear(start, terms), end - start, is_write, transfers)
