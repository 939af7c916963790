"""What gdb is told of the chip before it asks for anything: its registers and its memory map.

Sources: the gdb manual, G.5.3 "ARM Features" and appendix "Memory Map Format". The order of
REGISTERS is the order of a `g` packet, and a position in it a register's number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from usim.devices.peripherals.flash_sectors import single_bank
from usim.platforms import Platform

_ADDRESS_SPACE: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Register:
    """A register as gdb sees it; `parts` are the chip's own, the least significant first."""

    name: str
    parts: tuple[str, ...]
    type: str
    group: str

    @property
    def size_bytes(self) -> int:
        """Each part has 32 bits."""
        return 4 * len(self.parts)


def _word(name: str, group: str = "general", kind: str = "uint32") -> Register:
    return Register(name, (name,), kind, group)


_FEATURES: Final[dict[str, tuple[Register, ...]]] = {
    "org.gnu.gdb.arm.m-profile": (
        *(_word(f"r{number}") for number in range(13)),
        _word("sp", kind="data_ptr"),
        _word("lr"),
        _word("pc", kind="code_ptr"),
        _word("xpsr"),
    ),
    # gdb finds its way out of handlers with msp and psp; the others are for people.
    "org.gnu.gdb.arm.m-system": (
        _word("msp", "system", "data_ptr"),
        _word("psp", "system", "data_ptr"),
        *(_word(name, "system") for name in ("primask", "basepri", "faultmask", "control")),
    ),
    # Single precision only, yet gdb wants d0-d15, and makes s0-s31 from them.
    "org.gnu.gdb.arm.vfp": (
        *(
            Register(f"d{number}", (f"s{2 * number}", f"s{2 * number + 1}"), "ieee_double", "float")
            for number in range(16)
        ),
        _word("fpscr", "float"),
    ),
}
REGISTERS: Final = tuple(register for feature in _FEATURES.values() for register in feature)


def describe_registers() -> str:
    """The target description, target.xml."""
    lines = ['<?xml version="1.0"?>', '<!DOCTYPE target SYSTEM "gdb-target.dtd">', "<target>"]
    lines.append("  <architecture>arm</architecture>")
    number = 0
    for name, registers in _FEATURES.items():
        lines.append(f'  <feature name="{name}">')
        for register in registers:
            lines.append(
                f'    <reg name="{register.name}" bitsize="{8 * register.size_bytes}" '
                f'regnum="{number}" type="{register.type}" group="{register.group}"/>'
            )
            number += 1
        lines.append("  </feature>")
    return "\n".join([*lines, "</target>", ""])


@dataclass(frozen=True, slots=True)
class FlashBlock:
    """What flash erases at once, at one of its addresses."""

    address: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.size_bytes


def flash_blocks(platform: Platform) -> tuple[FlashBlock, ...]:
    """The sectors of flash as delivered, at every address at which it stands, in their order."""
    blocks = [
        FlashBlock(region.base + sector.offset, sector.size_bytes)
        for region in platform.regions
        if region.kind == "flash"
        for sector in single_bank(region.size_bytes)
    ]
    return tuple(sorted(blocks, key=lambda block: block.address))


def describe_memory(blocks: Sequence[FlashBlock]) -> str:
    """The memory map: flash by its sectors, and all else as RAM.

    gdb refuses what a map leaves out, and peripherals are for reading too: where nothing answers,
    the chip itself says so.
    """
    lines = [
        '<?xml version="1.0"?>',
        '<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" '
        '"http://sourceware.org/gdb/gdb-memory-map.dtd">',
        "<memory-map>",
    ]
    at = 0
    for start, end, block_bytes in _runs(blocks):
        if at < start:
            lines.append(_memory("ram", at, start) + "/>")
        lines.append(
            _memory("flash", start, end)
            + f'><property name="blocksize">{block_bytes:#x}</property></memory>'
        )
        at = end
    if at < _ADDRESS_SPACE:
        lines.append(_memory("ram", at, _ADDRESS_SPACE) + "/>")
    return "\n".join([*lines, "</memory-map>", ""])


def _memory(kind: str, start: int, end: int) -> str:
    return f'  <memory type="{kind}" start="{start:#x}" length="{end - start:#x}"'


def _runs(blocks: Sequence[FlashBlock]) -> Iterator[tuple[int, int, int]]:
    """(start, end, size of a sector) of neighbours that are equally large."""
    for size, group in groupby(blocks, key=lambda block: block.size_bytes):
        start = end = -1
        for block in group:
            if block.address != end:
                if start >= 0:
                    yield start, end, size
                start = block.address
            end = block.end
        yield start, end, size
