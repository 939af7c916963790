"""Puts a program where its file says, as a flasher does, and finds out where it starts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from usim.devices import Device
from usim.errors import ProgramError
from usim.formatting import format_address
from usim.platforms import Platform
from usim.profile.program import Program, Segment

# What start-up files and linker scripts call the vector table.
_TABLE_SECTIONS: Final = (
    ".isr_vector", ".vectors", ".vector_table", ".intvecs", ".interrupts", ".vectortable",
    ".rom_vectors", "vectors", "RESET",
)  # fmt: skip
_TABLE_SYMBOLS: Final = (
    "g_pfnVectors", "__isr_vector", "__Vectors", "_vectors", "__vectors", "vector_table",
    "__vector_table", "_vector_table", "__VECTOR_TABLE", "vectors", "__interrupt_vector",
    "__RESET", "isr_vector",
)  # fmt: skip


# Armv7-M B3.1: of it only start-up code can make memory, such as backup SRAM that it switches on.
_PERIPHERALS: Final = range(0x4000_0000, 0x6000_0000)


def check_placement(program: Program, platform: Platform) -> None:
    """ProgramError if a segment lies where the platform has no memory, or over another one."""
    for segment in program.segments:
        wanted = [(segment.load_address, len(segment.data))]
        if segment.run_address not in _PERIPHERALS:
            wanted.append((segment.run_address, segment.size_bytes))
        for address, size_bytes in wanted:
            if size_bytes and not _is_memory(platform, address, size_bytes):
                raise _misplaced(program, platform, address, size_bytes)
    _check_overlap(program)


def _check_overlap(program: Program) -> None:
    """A flasher would write the same bytes twice, with one result or the other."""
    ordered = sorted(program.segments, key=lambda segment: segment.load_address)
    for before, after in pairwise(ordered):
        end = before.load_address + len(before.data)
        if after.data and after.load_address < end:
            raise ProgramError(
                f"{program.file} has two segments over one another: what is loaded at "
                f"{format_address(after.load_address)} lies before the end of the one at "
                f"{format_address(before.load_address)}; link it anew",
                file=program.file,
                address=after.load_address,
            )


def _misplaced(program: Program, platform: Platform, address: int, size_bytes: int) -> ProgramError:
    text = (
        f"{program.file} has a segment of {size_bytes:,} bytes at {format_address(address)}, "
        f"outside the memory of {platform.name}: "
    )
    region = platform.region_at(address)
    if region is not None:
        text += (
            f"{region.name} has {region.end - address:,} bytes from there "
            f"(it ends at {format_address(region.end - 1)})"
        )
    else:
        text += ", ".join(
            f"{region.name} {format_address(region.base)} .. {format_address(region.end - 1)}"
            for region in platform.regions
        )
    return ProgramError(text, file=program.file, address=address)


def _is_memory(platform: Platform, address: int, size_bytes: int) -> bool:
    at = address
    while at < address + size_bytes:
        region = platform.region_at(at)
        if region is None:
            return False
        at = region.end
    return True


def write_program(device: Device, program: Program, *, started_up: bool) -> None:
    """Write each segment to its load address; `started_up`: also to where start-up code copies it.

    RAM is zero already, so that .bss is as start-up code would leave it.
    """
    for segment in program.segments:
        device.write(segment.load_address, segment.data)
    for segment in program.segments:
        if started_up and segment.is_moved:
            device.write(segment.run_address, segment.data)


def find_vector_table(
    program: Program,
    platform: Platform,
    hint: str = "use --entry SYMBOL to run one function",
) -> int:
    """The load address of the vector table; ProgramError, with `hint`, if none could be used."""
    problem = ""
    for address in _candidates(program, platform):
        wrong = _what_is_wrong(program, platform, address)
        if not wrong:
            return address
        problem = problem or wrong
    raise ProgramError(
        f"{program.file} has no vector table ({problem or 'nothing is loaded'}); {hint}",
        file=program.file,
    )


def _candidates(program: Program, platform: Platform) -> Iterator[int]:
    """Where the table may be, the best guess first."""
    by_name = {section.name: section.address for section in program.sections}
    named = [by_name[name] for name in _TABLE_SECTIONS if name in by_name]
    symbols = [program.symbol_address(name) for name in _TABLE_SYMBOLS]
    named += [address for address in symbols if address is not None]
    for address in named:
        loaded = program.load_address_of(address)
        if loaded is not None:
            yield loaded

    def order(segment: Segment) -> tuple[bool, int]:
        region = platform.region_at(segment.load_address)
        return region is None or region.kind != "flash", segment.load_address

    for segment in sorted(program.segments, key=order):
        if segment.data:
            yield segment.load_address


def _what_is_wrong(program: Program, platform: Platform, table: int) -> str:
    where = f"at {format_address(table)}"
    stack, reset = program.word_at(table), program.word_at(table + 4)
    if stack is None or reset is None:
        return f"{where} are less than 8 bytes"
    if stack % 4 or stack < 4 or _kind(platform, stack - 4) != "ram":
        return f"the stack pointer {where}, {format_address(stack)}, is at the end of no RAM"
    if not reset & 1:
        return f"the reset vector {where}, {format_address(reset)}, is no Thumb address"
    if not any(
        program.load_address_of(address) is not None
        for address in _same_memory(platform, reset & ~1)
    ):
        return f"the reset vector {where}, {format_address(reset)}, points at nothing loaded"
    return ""


def _same_memory(platform: Platform, address: int) -> Iterator[int]:
    """The address, and others of the same byte: flash stands on two buses."""
    yield address
    region = platform.region_at(address)
    for other in platform.regions:
        if region is not None and (other.name == region.alias_of or other.alias_of == region.name):
            yield address - region.base + other.base


def _kind(platform: Platform, address: int) -> str:
    region = platform.region_at(address)
    return region.kind if region else ""


def default_stack_top(platform: Platform) -> int:
    """Where a stack may start if no vector table says it: the end of the highest RAM."""
    return max(region.end for region in platform.regions if region.kind == "ram")


def unused_address(program: Program, platform: Platform) -> int:
    """An address in flash that the program does not load: a function's return leads there."""
    for region in platform.regions:
        if region.kind != "flash" or region.alias_of is not None:
            continue
        address = region.end - 4
        while any(
            segment.load_address <= address + 3
            and address < segment.load_address + len(segment.data)
            for segment in program.segments
        ):
            address -= 4
        if address >= region.base:
            return address
    raise ProgramError(f"{program.file} fills the flash of {platform.name}", file=program.file)
