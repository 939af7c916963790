"""What a platform is, once its description was read: frozen facts that the rest of usim asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from usim.errors import PlatformError
from usim.formatting import format_address

SECTION_NAMES: Final = ("text", "rodata", "data", "bss", "args", "heap", "workspace", "stack")
# A cache line, and the largest alignment that an object in a section may ask for.
SECTION_ALIGNMENT: Final = 32
# Lines that an NVIC can have (DDI 0403E B3.4).
MAX_INTERRUPTS: Final = 240
# What the runtime's clock set-ups (device_runtime/clock_<name>.c) end with, in Hz.
CLOCK_SETUPS: Final = {"stm32f7": 216_000_000}

Kind = Literal["ram", "flash"]
Fpu = Literal["fpv5-sp-d16", "fpv5-d16"]
ClockSetup = Literal["stm32f7"]
FloatAbi = Literal["hard", "softfp", "soft"]


@dataclass(frozen=True, slots=True)
class Region:
    """Memory at an address. An alias is a second address of the same memory."""

    name: str
    base: int
    size_bytes: int
    kind: Kind
    alias_of: str | None
    cached: bool
    source: str

    @property
    def end(self) -> int:
        """The first address after the region."""
        return self.base + self.size_bytes

    def contains(self, address: int, size_bytes: int = 1) -> bool:
        """Whether all of [address, address + size_bytes) lies in the region."""
        return self.base <= address and address + size_bytes <= self.end


@dataclass(frozen=True, slots=True)
class Extent:
    """A part of a region that belongs to one section."""

    region: str
    base: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The first address after the extent."""
        return self.base + self.size_bytes


@dataclass(frozen=True, slots=True)
class Section:
    """Where one sort of bytes goes: extents in order of preference."""

    name: str
    extents: tuple[Extent, ...]

    @property
    def size_bytes(self) -> int:
        """What all extents hold together."""
        return sum(extent.size_bytes for extent in self.extents)

    @property
    def base(self) -> int:
        """Where the first extent begins."""
        return self.extents[0].base

    @property
    def end(self) -> int:
        """The first address after the first extent."""
        return self.extents[0].end


@dataclass(frozen=True, slots=True)
class Cache:
    """A level-1 cache."""

    size_bytes: int
    ways: int
    line_bytes: int


@dataclass(frozen=True, slots=True)
class Core:
    """The processor core as this chip has it."""

    name: str
    architecture: str
    fpu: Fpu | None
    float_abi: FloatAbi
    mpu_regions: int
    interrupts: int  # lines into the NVIC
    icache: Cache | None
    dcache: Cache | None


@dataclass(frozen=True, slots=True)
class FlashInterface:
    """How the flash is read at the platform's clock."""

    wait_states: int
    row_bytes: int
    art_lines: int


@dataclass(frozen=True, slots=True)
class Chip:
    """How the silicon says what it is: 12 bits of a register that a debugger can read."""

    id: int
    id_register: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the description with the document that says so."""

    subject: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Platform:
    """A chip or board: core, clock, memory, and the sections placed in it."""

    name: str
    title: str
    core: Core
    clock_hz: int
    # Who programs that clock on a board (a device_runtime/clock_<setup>.c), None where nobody can.
    clock_setup: ClockSetup | None
    # The crystal or clock input that a board gives the chip, None for a chip by itself.
    external_clock_hz: int | None
    flash: FlashInterface
    regions: tuple[Region, ...]
    placed_sections: tuple[Section, ...]
    facts: tuple[Fact, ...]
    folder: Path
    repl_path: Path
    chip: Chip | None = None
    # Memory beside the chip, which on a board is there once a program has set up its controller.
    external: tuple[Region, ...] = ()
    # OpenOCD's configuration for a board with this chip.
    openocd_path: Path | None = None

    @property
    def sections(self) -> Mapping[str, Section]:
        """The sections by name, in the order of the description; read-only."""
        return MappingProxyType({section.name: section for section in self.placed_sections})

    def section(self, name: str) -> Section:
        """The section `name`, one of SECTION_NAMES."""
        for section in self.placed_sections:
            if section.name == name:
                return section
        raise PlatformError(
            f"{self.name} has no section {name} (sections: {', '.join(SECTION_NAMES)})", key=name
        )

    def region(self, name: str) -> Region:
        """The region `name`."""
        for region in self.regions:
            if region.name == name:
                return region
        known = ", ".join(region.name for region in self.regions)
        raise PlatformError(f"{self.name} has no region {name} (regions: {known})", key=name)

    def region_at(self, address: int, size_bytes: int = 1) -> Region | None:
        """The region that holds all of [address, address + size_bytes), or None."""
        for region in (*self.regions, *self.external):
            if region.base <= address and address + size_bytes <= region.end:
                return region
        return None

    def __str__(self) -> str:
        """Its name, for messages."""
        return self.name


def format_range(base: int, size_bytes: int) -> str:
    """Write a range of addresses, both ends included."""
    return f"{format_address(base)} .. {format_address(base + size_bytes - 1)}"
