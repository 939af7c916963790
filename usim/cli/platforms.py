"""`usim platforms`: which chips there are, what is known of them, and whether it is consistent."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from usim.description_files import shown_path
from usim.formatting import format_address, format_bytes
from usim.report.console import make_console, make_table

if TYPE_CHECKING:
    from rich.table import Table

    from usim.platforms import Extent, Platform, Region


@click.group()
def platforms() -> None:
    """List, show and check the chips that usim can run.

    A platform is a folder with two files: platform.yaml (core, clock, memory and what goes where)
    and a Renode platform file. NAME is one that `usim platforms list` prints, or the path of such
    a folder of your own.
    """


@platforms.command("list")
def list_platforms() -> None:
    """List the platforms that come with usim."""
    from usim.platforms import load_platform, platform_names  # noqa: PLC0415

    table = make_table("", "platform", "clock", "RAM", "flash", "description", numeric=("clock",))
    for name in platform_names():
        platform = load_platform(name)
        table.add_row(
            name,
            f"{platform.clock_hz / 1e6:g} MHz",
            format_bytes(_total(platform, "ram")),
            format_bytes(_total(platform, "flash")),
            platform.title,
        )
    make_console().print(table)


@platforms.command("show")
@click.argument("name")
def show_platform(name: str) -> None:
    """Show a platform's facts with their sources, and its memory map."""
    from usim.platforms import load_platform  # noqa: PLC0415

    platform = load_platform(name)
    console = make_console()
    console.print(f"{platform.name}: {platform.title}")
    console.print(f"described in {shown_path(platform.folder / 'platform.yaml')}\n")
    console.print(_facts_table(platform))
    console.print()
    console.print(_memory_table(platform))


@platforms.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def check_platforms(names: tuple[str, ...]) -> None:
    """Check that each platform's YAML and Renode file describe the same chip (default: all)."""
    from usim.platforms import check_agreement, load_platform, platform_names  # noqa: PLC0415

    console = make_console()
    differing = False
    for name in names or platform_names():
        platform = load_platform(name)
        differences = check_agreement(platform)
        differing = differing or bool(differences)
        if not differences:
            console.print(f"{platform.name}: platform.yaml and {platform.repl_path.name} agree")
        for difference in differences:
            console.print(f"{platform.name}: {difference}")
    if differing:
        sys.exit(1)


def _total(platform: Platform, kind: str) -> int:
    """Bytes of one kind of memory, those with two addresses counted once."""
    return sum(
        region.size_bytes
        for region in platform.regions
        if region.kind == kind and region.alias_of is None
    )


def _facts_table(platform: Platform) -> Table:
    table = make_table("Facts", "fact", "value", "source")
    for fact in platform.facts:
        table.add_row(fact.subject, fact.value, fact.source)
    return table


def _memory_table(platform: Platform) -> Table:
    columns = ("region", "section", "from", "to", "size", "free")
    table = make_table("Memory map", *columns, numeric=("size", "free"))
    regions = (*platform.regions, *platform.external)
    for region in sorted(regions, key=lambda region: region.base):
        outside = ", external" if region in platform.external else ""
        note = f"(also {region.alias_of})" if region.alias_of else f"({region.kind}{outside})"
        free = format_bytes(_free_bytes(platform, region))
        table.add_row(region.name, note, *_range_cells(region), free)
        for name, extent in _occupants(platform, region):
            table.add_row("", name, *_range_cells(extent), "")
    return table


def _range_cells(piece: Region | Extent) -> tuple[str, str, str]:
    return format_address(piece.base), format_address(piece.end - 1), format_bytes(piece.size_bytes)


def _occupants(platform: Platform, region: Region) -> list[tuple[str, Extent]]:
    """The sections in a region, by address."""
    found = [
        (name, extent)
        for name, section in platform.sections.items()
        for extent in section.extents
        if extent.region == region.name
    ]
    return sorted(found, key=lambda row: row[1].base)


def _free_bytes(platform: Platform, region: Region) -> int:
    """What no section has of a region's memory, at whichever of its addresses."""
    memory = region.alias_of or region.name
    names = {other.name for other in platform.regions if memory in (other.name, other.alias_of)}
    extents = (extent for section in platform.sections.values() for extent in section.extents)
    return region.size_bytes - sum(e.size_bytes for e in extents if e.region in names)
