"""Places the sections in the regions and refuses what overlaps or does not fit."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from usim.formatting import format_address
from usim.platforms.description import Description, Key
from usim.platforms.facts import SECTION_NAMES, Extent, Region, Section, format_range
from usim.platforms.schema import REST, ExtentSpec, RegionSpec

_WRITABLE = frozenset(SECTION_NAMES) - {"text", "rodata"}


def make_regions(specs: dict[str, RegionSpec], description: Description) -> tuple[Region, ...]:
    """Turn the described regions into facts, once their addresses were found to be sound."""
    for name, spec in specs.items():
        key: Key = ("memory", "regions", name)
        if spec.base + spec.size > 1 << 32:
            description.fail((*key, "size"), "reaches beyond the 32-bit address space")
        if spec.alias_of is not None:
            _check_alias(spec, specs, key, description)
    regions = tuple(
        Region(name, spec.base, spec.size, spec.kind, spec.alias_of, spec.cached, spec.source)
        for name, spec in specs.items()
    )
    _refuse_overlap(regions, description)
    return regions


def _check_alias(
    spec: RegionSpec, specs: dict[str, RegionSpec], key: Key, description: Description
) -> None:
    target = specs.get(spec.alias_of or "")
    if target is None or target.alias_of is not None:
        memories = ", ".join(name for name, other in specs.items() if other.alias_of is None)
        description.fail(
            (*key, "alias_of"), f"no memory region {spec.alias_of} (regions: {memories})"
        )
    if target.size != spec.size:
        description.fail(
            (*key, "size"),
            f"{spec.size} bytes, but {spec.alias_of}, whose alias it is, has {target.size}",
        )
    if target.kind != spec.kind:
        description.fail((*key, "kind"), f"{spec.kind}, but {spec.alias_of} is {target.kind}")


def _refuse_overlap(regions: tuple[Region, ...], description: Description) -> None:
    in_order = sorted(regions, key=lambda region: region.base)
    for below, above in pairwise(in_order):
        if above.base < below.end:
            # The later line of the file is the one that a reader would call wrong.
            first, second = sorted((below, above), key=regions.index)
            description.fail(
                ("memory", "regions", second.name),
                f"{format_range(second.base, second.size_bytes)} overlaps {first.name} "
                f"({format_range(first.base, first.size_bytes)})",
            )


def place_sections(
    specs: dict[str, list[ExtentSpec]], regions: tuple[Region, ...], description: Description
) -> tuple[Section, ...]:
    """Lay every section's extents out, in the order of `specs`, from each region's base up."""
    layout = _Layout(specs, {region.name: region for region in regions}, description)
    sections = layout.place()
    _check_stack(sections, regions, description)
    return sections


class _Layout:
    """The fill level of each memory while sections are placed in it."""

    def __init__(
        self,
        specs: dict[str, list[ExtentSpec]],
        regions: dict[str, Region],
        description: Description,
    ) -> None:
        self._specs = specs
        self._regions = regions
        self._description = description
        # Keyed by memory: a region and its alias share their bytes.
        self._used: Counter[str] = Counter()
        self._rest: dict[str, int] = {}

    def place(self) -> tuple[Section, ...]:
        """Reserve the exact sizes first, so that "rest" is known, then lay out in order."""
        self._check_regions()
        self._reserve()
        self._used.clear()
        return tuple(
            Section(name, tuple(self._extent(spec) for spec in extents))
            for name, extents in self._specs.items()
        )

    def _check_regions(self) -> None:
        for name, index, spec in self._each():
            key: Key = ("sections", name, index, "region")
            region = self._regions.get(spec.region)
            if region is None:
                known = ", ".join(self._regions)
                self._description.fail(key, f"no region {spec.region} (regions: {known})")
            if name in _WRITABLE and region.kind != "ram":
                self._description.fail(key, f"{spec.region} is {region.kind}; {name} needs ram")

    def _reserve(self) -> None:
        rests: dict[str, Key] = {}
        for name, index, spec in self._each():
            memory = self._memory(spec)
            key: Key = ("sections", name, index, "size")
            if spec.size == REST:
                if memory in rests:
                    first = self._description.place_of(rests[memory]).line
                    self._description.fail(key, f"{memory} has a rest already (line {first})")
                rests[memory] = key
                continue
            self._used[memory] += spec.size
            self._refuse_overflow(key, memory, spec.size)
        for memory, key in rests.items():
            self._rest[memory] = self._regions[memory].size_bytes - self._used[memory]
            if not self._rest[memory]:
                self._description.fail(key, f"nothing is left of {memory} for a rest")

    def _refuse_overflow(self, key: Key, memory: str, size_bytes: int) -> None:
        region = self._regions[memory]
        available = region.size_bytes - self._used[memory] + size_bytes
        if size_bytes > available:
            self._description.fail(
                key,
                f"needs {size_bytes} bytes of {memory}, which has {available} of "
                f"{region.size_bytes} left",
                needed_bytes=size_bytes,
                available_bytes=available,
            )

    def _extent(self, spec: ExtentSpec) -> Extent:
        memory = self._memory(spec)
        base = self._regions[spec.region].base + self._used[memory]
        size_bytes = self._rest[memory] if spec.size == REST else spec.size
        self._used[memory] += size_bytes
        return Extent(spec.region, base, size_bytes)

    def _memory(self, spec: ExtentSpec) -> str:
        return self._regions[spec.region].alias_of or spec.region

    def _each(self) -> list[tuple[str, int, ExtentSpec]]:
        return [
            (name, index, spec)
            for name, extents in self._specs.items()
            for index, spec in enumerate(extents)
        ]


def _check_stack(
    sections: tuple[Section, ...], regions: tuple[Region, ...], description: Description
) -> None:
    """An overflowing stack must leave memory, so that it faults instead of spoiling data."""
    stack = next(section for section in sections if section.name == "stack")
    key: Key = ("sections", "stack")
    if len(stack.extents) != 1:
        description.fail(key, "must be one piece; give it one region and size")
    region = next(region for region in regions if region.name == stack.extents[0].region)
    if stack.base != region.base:
        description.fail(
            key,
            f"must be the first section in {region.name} (at {format_address(region.base)}), "
            "so that an overflow faults; move it above the others",
        )
    below = next((other for other in regions if other.contains(region.base - 1)), None)
    if below is not None:
        description.fail(
            key,
            f"{below.name} lies right below {region.name}, so that an overflow would spoil it; "
            "choose a region with nothing below",
        )
