"""Platform descriptions: a chip's core, clock, memory and sections as frozen facts."""

from __future__ import annotations

from usim.platforms.agreement import check_agreement
from usim.platforms.catalogue import load_platform, platform_names
from usim.platforms.facts import (
    SECTION_ALIGNMENT,
    SECTION_NAMES,
    Cache,
    Core,
    Extent,
    Fact,
    FlashInterface,
    Platform,
    Region,
    Section,
    format_range,
)

__all__ = [
    "SECTION_ALIGNMENT",
    "SECTION_NAMES",
    "Cache",
    "Core",
    "Extent",
    "Fact",
    "FlashInterface",
    "Platform",
    "Region",
    "Section",
    "check_agreement",
    "format_range",
    "load_platform",
    "platform_names",
]
