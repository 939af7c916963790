"""Which symbols ELF objects lack."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from usim.errors import LinkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def undefined_symbols(objects: Iterable[bytes]) -> set[str]:
    """Return the global symbols that `objects` use and none of them defines."""
    defined: set[str] = set()
    used: set[str] = set()
    for data in objects:
        for name, is_defined in _global_symbols(data):
            (defined if is_defined else used).add(name)
    return used - defined


def _global_symbols(data: bytes) -> Iterator[tuple[str, bool]]:
    try:
        for section in ELFFile(io.BytesIO(data)).iter_sections():
            if not isinstance(section, SymbolTableSection):
                continue
            for symbol in section.iter_symbols():
                if symbol.name and symbol["st_info"]["bind"] != "STB_LOCAL":
                    yield symbol.name, symbol["st_shndx"] != "SHN_UNDEF"
    except ELFError as exc:
        raise LinkError(f"not an ELF object: {exc}") from exc
