"""The shape of platform.yaml: which keys there are, and what each may hold."""

from __future__ import annotations

import re
import reprlib
from types import UnionType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from usim.platforms.description import Description, Key
from usim.platforms.facts import (
    CLOCK_SETUPS,
    MAX_INTERRUPTS,
    SECTION_ALIGNMENT,
    ClockSetup,
    FloatAbi,
    Fpu,
    Kind,
)

REST: Final = 0
_UNITS = {"": 1, "b": 1, "bytes": 1, "kib": 1 << 10, "mib": 1 << 20}
_SIZE_PATTERN = re.compile(r"(\d[\d_]*)\s*([a-z]*)")


def _parse_size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        size_bytes = value
    else:
        match = _SIZE_PATTERN.fullmatch(value.strip().lower()) if isinstance(value, str) else None
        if match is None or match[2] not in _UNITS:
            raise PydanticCustomError(
                "usim", '{value} is not a size; write bytes or "16 KiB"', {"value": repr(value)}
            )
        size_bytes = int(match[1]) * _UNITS[match[2]]
    if size_bytes <= 0 or size_bytes % SECTION_ALIGNMENT:
        raise PydanticCustomError(
            "usim",
            "{value} is not a positive multiple of {alignment} bytes",
            {"value": repr(value), "alignment": SECTION_ALIGNMENT},
        )
    return size_bytes


def _parse_extent_size(value: object) -> int:
    return REST if value == "rest" else _parse_size(value)


Size = Annotated[int, BeforeValidator(_parse_size)]
ExtentSize = Annotated[int, BeforeValidator(_parse_extent_size)]
Address = Annotated[int, Field(ge=0, lt=1 << 32, multiple_of=SECTION_ALIGNMENT)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    # Deferred: the whole is built once, when it is used, and not each part for itself as well.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class FpuSpec(_Strict):
    """The floating-point unit."""

    unit: Fpu
    float_abi: FloatAbi = "hard"
    source: Text


class MpuSpec(_Strict):
    """The memory protection unit."""

    regions: Count
    source: Text


class NvicSpec(_Strict):
    """The interrupt controller: how many lines come in from outside of the core."""

    interrupts: Annotated[int, Field(gt=0, le=MAX_INTERRUPTS)]
    source: Text


class CacheSpec(_Strict):
    """A level-1 cache."""

    size: Size
    ways: Positive
    line_bytes: Positive
    source: Text

    @model_validator(mode="after")
    def _has_whole_sets(self) -> CacheSpec:
        sets, left = divmod(self.size, self.ways * self.line_bytes)
        if left or sets & (sets - 1):
            raise PydanticCustomError(
                "usim",
                "{size} bytes in {ways} ways of {line}-byte lines is not a power of two of sets",
                {"size": self.size, "ways": self.ways, "line": self.line_bytes},
            )
        return self


class CoreSpec(_Strict):
    """The processor core."""

    name: Literal["cortex-m7"]
    architecture: Literal["armv7e-m"]
    source: Text
    fpu: FpuSpec | None = None
    mpu: MpuSpec
    nvic: NvicSpec | None = None
    icache: CacheSpec | None = None
    dcache: CacheSpec | None = None


class ChipSpec(_Strict):
    """The chip's own name for itself."""

    id: Annotated[int, Field(gt=0, lt=1 << 12)]
    id_register: Annotated[int, Field(ge=0, lt=1 << 32, multiple_of=4)]
    source: Text


class ClockSpec(_Strict):
    """The core's clock: what it is set up to, by which of the runtime's set-ups."""

    hz: Positive
    setup: ClockSetup | None = None
    external_hz: Positive | None = None
    source: Text

    @model_validator(mode="after")
    def _is_what_the_setup_makes(self) -> ClockSpec:
        if self.setup is not None and self.hz != CLOCK_SETUPS[self.setup]:
            raise PydanticCustomError(
                "usim",
                "clock_{setup}.c sets up {made} Hz, not {hz}; write `setup: null` without it",
                {"setup": self.setup, "made": CLOCK_SETUPS[self.setup], "hz": self.hz},
            )
        return self


class RegionSpec(_Strict):
    """Memory at an address."""

    base: Address
    size: Size
    kind: Kind
    cached: bool
    alias_of: str | None = None
    source: Text


class FlashInterfaceSpec(_Strict):
    """How the flash is read."""

    wait_states: Count
    row_bytes: Positive
    art_lines: Count = 0
    source: Text


class MemorySpec(_Strict):
    """All memory."""

    regions: dict[str, RegionSpec] = Field(min_length=1)
    external: dict[str, RegionSpec] = Field(default_factory=dict)
    flash_interface: FlashInterfaceSpec


class ExtentSpec(_Strict):
    """A part of a region for a section."""

    region: str
    size: ExtentSize


Extents = Annotated[list[ExtentSpec], Field(min_length=1)]


class SectionsSpec(_Strict):
    """Where each section goes; their order in the file is their order in a region."""

    text: Extents
    rodata: Extents
    data: Extents
    bss: Extents
    args: Extents
    heap: Extents
    workspace: Extents
    stack: Extents


class PlatformSpec(_Strict):
    """A whole platform.yaml, its `extends` already merged."""

    title: Text
    extends: str | None = None
    chip: ChipSpec | None = None
    core: CoreSpec
    clock: ClockSpec
    memory: MemorySpec
    sections: SectionsSpec


def parse(description: Description) -> PlatformSpec:
    """Check a description against the schema; the first thing wrong is the error."""
    try:
        return PlatformSpec.model_validate(description.values)
    except ValidationError as error:
        # A misspelt key is unknown and, in its right spelling, missing: the former says more.
        details = sorted(
            error.errors(include_url=False),
            key=lambda detail: (
                detail["type"] == "missing",
                description.place_of(detail["loc"]).line,
            ),
        )
        first = details[0]
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        description.fail(first["loc"], _problem(first) + more)


def _problem(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "missing key"
    if detail["type"] == "extra_forbidden":
        return f"unknown key (known: {', '.join(_known_keys(detail['loc'][:-1]))})"
    if detail["type"] == "usim":
        return detail["msg"]
    return f"{reprlib.repr(detail['input'])}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _known_keys(key: Key) -> list[str]:
    """The keys that the mapping at `key` may have."""
    shape: Any = PlatformSpec
    for part in key:
        if get_origin(shape) in (dict, list):
            shape = get_args(shape)[-1]
        else:
            shape = _without_none(shape.model_fields[str(part)].annotation)
    return list(shape.model_fields)


def _without_none(annotation: Any) -> Any:  # noqa: ANN401
    return annotation if get_origin(annotation) is not UnionType else get_args(annotation)[0]
