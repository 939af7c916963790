"""Turns addresses on the device into functions and lines, over everything that is loaded."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from usim.debug_info import read_lines
from usim.formatting import format_address
from usim.image import read_object
from usim.loader import LoadedImage, PlacedSymbol


@dataclass(frozen=True, slots=True)
class _Entry:
    image: LoadedImage
    objects: tuple[bytes, ...]


class SymbolTable:
    """Symbols of the loaded images; lines are read from the objects' DWARF when first asked for."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def add(self, image: LoadedImage, objects: Sequence[bytes]) -> None:
        """Include an image and the ELF objects it was made of."""
        self._entries.append(_Entry(image, tuple(objects)))

    def remove(self, image: LoadedImage) -> None:
        """Leave an image out again."""
        self._entries = [entry for entry in self._entries if entry.image is not image]

    def placed(self) -> Iterator[PlacedSymbol]:
        """Every function and object that is loaded."""
        for entry in self._entries:
            yield from entry.image.symbols

    def marks(self) -> Iterator[tuple[str, int]]:
        """("$t", address) where Thumb code begins, ("$d", address) where data in code does."""
        for entry in self._entries:
            for number, elf in enumerate(entry.objects):
                for symbol in read_object(elf).symbols:
                    start = entry.image.section_addresses.get((number, symbol.section or -1))
                    if symbol.name[:2] in {"$t", "$d"} and start is not None:
                        yield symbol.name[:2], start + symbol.value

    def objects(self) -> Iterator[bytes]:
        """The ELF objects that everything was made of."""
        for entry in self._entries:
            yield from entry.objects

    def function_at(self, address: int) -> PlacedSymbol | None:
        """The function whose code holds `address`."""
        for entry in self._entries:
            for symbol in entry.image.symbols:
                if symbol.is_function and 0 <= address - symbol.address < symbol.size_bytes:
                    return symbol
        return None

    def line_at(self, address: int) -> str | None:
        """file:line of the code at `address`, where debug information tells."""
        for entry in self._entries:
            for (number, index), start in entry.image.section_addresses.items():
                rows = [row for row in read_lines(entry.objects[number]) if row.section == index]
                offset = address - start
                position = bisect_right([row.offset for row in rows], offset) - 1
                symbol = self.function_at(address)
                # Behind the section's last row only its own function's code still belongs to it.
                if position >= 0 and symbol and start <= symbol.address <= address:
                    row = rows[position]
                    inside = (
                        symbol.address - start
                        <= offset
                        < (symbol.address - start + symbol.size_bytes)
                    )
                    if inside and row.offset >= symbol.address - start:
                        return f"{row.file}:{row.line}"
        return None

    def describe(self, address: int) -> str:
        """For instance "0x0000_0124 in scale+0x14 (kernel.c:7)"."""
        text = format_address(address)
        symbol = self.function_at(address)
        if symbol is None:
            return text
        text += f" in {symbol.name}+{address - symbol.address:#x}"
        line = self.line_at(address)
        return f"{text} ({line})" if line else text
