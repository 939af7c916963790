"""Placed code as the analysis reads it: functions, their bytes, and the helpers' pointers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from usim.image import SectionKind
from usim.loader import LoadedImage, PlacedSymbol

_VENEER: Final = bytes.fromhex("dff800f0")  # ldr.w pc, [pc], then the address (loader.py)


@dataclass(frozen=True, slots=True)
class PlacedCode:
    """Code of one or several images.

    `pointers` are variables that hold a function's address: variable -> function.
    """

    functions: Mapping[int, PlacedSymbol]
    pointers: Mapping[int, int] = field(default_factory=dict)
    texts: tuple[tuple[int, bytes], ...] = ()

    def read(self, address: int, size_bytes: int) -> bytes:
        """Bytes of code; fewer, or none, where there is no more."""
        for base, text in self.texts:
            if base <= address < base + len(text):
                return text[address - base :][:size_bytes]
        return b""

    def callee(self, address: int) -> int:
        """The function that a call of `address` ends in: a veneer's target is behind it."""
        if address not in self.functions and self.read(address, 4) == _VENEER:
            return int.from_bytes(self.read(address + 4, 4), "little") & ~1
        return address


def placed_code(images: Iterable[LoadedImage], helpers: Mapping[str, int]) -> PlacedCode:
    """The code of `images`; `helpers` are the functions that the loader patches pointers to."""
    images = tuple(images)
    symbols = [symbol for image in images for symbol in image.symbols]
    return PlacedCode(
        {symbol.address: symbol for symbol in symbols if symbol.is_function},
        {
            symbol.address: helpers[symbol.name]
            for symbol in symbols
            if not symbol.is_function and symbol.name in helpers
        },
        tuple(
            (image.blocks[SectionKind.TEXT].address, image.contents[SectionKind.TEXT])
            for image in images
            if SectionKind.TEXT in image.blocks
        ),
    )
