"""Finds platforms by name or path and builds the facts from their description."""

from __future__ import annotations

import difflib
from functools import reduce
from pathlib import Path
from typing import Any

from usim.description_files import shown_path
from usim.errors import PlatformError
from usim.formatting import format_address, format_bytes
from usim.platforms.description import Description, merge, read_description
from usim.platforms.facts import (
    MAX_INTERRUPTS,
    Cache,
    Chip,
    Core,
    Fact,
    FlashInterface,
    Platform,
)
from usim.platforms.layout import make_regions, place_sections
from usim.platforms.schema import CacheSpec, ClockSpec, CoreSpec, PlatformSpec, parse
from usim.resources import data_folder

_FILE_NAME = "platform.yaml"


def platform_names() -> list[str]:
    """The names of the platforms that come with usim."""
    return sorted(file.parent.name for file in data_folder("platforms").glob(f"*/{_FILE_NAME}"))


def load_platform(name_or_path: str | Path, backend: str | None = None) -> Platform:
    """Read and check a platform, given by name or by the path of its folder or YAML file.

    A `<backend>.yaml` beside platform.yaml states what is different on that backend.
    """
    file = _find(name_or_path, data_folder("platforms"))
    description, chain = _read_chain(file)
    if backend is not None:
        changes = (folder.parent / f"{backend}.yaml" for folder in chain)
        if change := next((path for path in changes if path.is_file()), None):
            description = merge(description, read_description(change))
    spec = parse(description)
    memory = make_regions(spec.memory.regions | spec.memory.external, description)
    regions = tuple(region for region in memory if region.name in spec.memory.regions)
    # The file's order decides the layout, not the schema's.
    extents = {name: getattr(spec.sections, name) for name in description.values["sections"]}
    return Platform(
        name=file.parent.name,
        title=spec.title,
        core=_core(spec.core),
        clock_hz=spec.clock.hz,
        clock_setup=spec.clock.setup,
        external_clock_hz=spec.clock.external_hz,
        flash=FlashInterface(
            spec.memory.flash_interface.wait_states,
            spec.memory.flash_interface.row_bytes,
            spec.memory.flash_interface.art_lines,
        ),
        regions=regions,
        external=tuple(region for region in memory if region not in regions),
        placed_sections=place_sections(extents, regions, description),
        facts=_facts(spec),
        folder=file.parent,
        repl_path=_find_repl(chain),
        chip=Chip(spec.chip.id, spec.chip.id_register) if spec.chip else None,
        openocd_path=_find_openocd(chain),
    )


def _find(name_or_path: str | Path, folder: Path) -> Path:
    path = Path(name_or_path)
    if isinstance(name_or_path, Path) or len(path.parts) > 1 or path.suffix in (".yaml", ".yml"):
        file = path / _FILE_NAME if path.is_dir() else path
        if not file.is_file():
            raise PlatformError(
                f"no platform description at {shown_path(file)}", file=file, line=None, key=None
            )
        return file.resolve()
    file = folder / name_or_path / _FILE_NAME
    if not name_or_path or not file.is_file():
        raise _unknown(name_or_path)
    return file


def _unknown(name: str) -> PlatformError:
    names = platform_names()
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
    hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(names)}"
    return PlatformError(
        f"unknown platform {name!r} ({hint}); see `usim platforms list`",
        file=None,
        line=None,
        key=name,
    )


def _read_chain(file: Path) -> tuple[Description, list[Path]]:
    """The description with all it extends merged in, and the files, the most special first."""
    files = [file]
    merging = [read_description(file)]
    while isinstance(base_name := merging[-1].values.get("extends"), str):
        # A sibling folder first, so that a copied folder of platforms stays complete.
        folders = (files[-1].parent.parent, data_folder("platforms"))
        candidates = [folder / base_name / _FILE_NAME for folder in folders]
        base = next((candidate for candidate in candidates if candidate.is_file()), None)
        if base is None:
            merging[-1].fail(("extends",), str(_unknown(base_name)))
        if base in files:
            merging[-1].fail(("extends",), f"{base_name} extends this platform in turn")
        files.append(base)
        merging.append(read_description(base))
    return reduce(merge, reversed(merging)), files


def _find_repl(chain: list[Path]) -> Path:
    candidates = [file.parent / f"{file.parent.name}.repl" for file in chain]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise PlatformError(
        f"no Renode platform file {shown_path(candidates[0])}; put one beside {_FILE_NAME}",
        file=candidates[0],
        line=None,
        key=None,
    )


def _find_openocd(chain: list[Path]) -> Path | None:
    candidates = (file.parent / "openocd.cfg" for file in chain)
    return next((file for file in candidates if file.is_file()), None)


def _core(spec: CoreSpec) -> Core:
    return Core(
        name=spec.name,
        architecture=spec.architecture,
        fpu=spec.fpu.unit if spec.fpu else None,
        float_abi=spec.fpu.float_abi if spec.fpu else "soft",
        mpu_regions=spec.mpu.regions,
        interrupts=spec.nvic.interrupts if spec.nvic else MAX_INTERRUPTS,
        icache=_cache(spec.icache),
        dcache=_cache(spec.dcache),
    )


def _cache(spec: CacheSpec | None) -> Cache | None:
    return Cache(spec.size, spec.ways, spec.line_bytes) if spec else None


def _facts(spec: PlatformSpec) -> tuple[Fact, ...]:
    core, chip, flash = spec.core, spec.chip, spec.memory.flash_interface
    rows: list[tuple[str, str, Any]] = [
        ("core", f"{core.name} ({core.architecture})", core),
        (
            "device id",
            f"{chip.id:#05x} at {format_address(chip.id_register)}" if chip else "",
            chip,
        ),
        ("clock", _clock_text(spec.clock), spec.clock),
        ("FPU", f"{core.fpu.unit}, {core.fpu.float_abi} float ABI" if core.fpu else "", core.fpu),
        ("MPU", f"{core.mpu.regions} regions", core.mpu),
        ("NVIC", f"{core.nvic.interrupts} interrupt lines" if core.nvic else "", core.nvic),
        ("I-cache", _cache_text(core.icache), core.icache),
        ("D-cache", _cache_text(core.dcache), core.dcache),
        (
            "flash reads",
            f"{flash.wait_states} wait states, rows of {flash.row_bytes} bytes, "
            f"{flash.art_lines} ART lines",
            flash,
        ),
    ]
    rows += [
        (name, f"{format_bytes(region.size)} at {format_address(region.base)}", region)
        for name, region in (spec.memory.regions | spec.memory.external).items()
    ]
    return tuple(Fact(subject, value, of.source) for subject, value, of in rows if of is not None)


def _clock_text(spec: ClockSpec) -> str:
    text = f"{spec.hz / 1e6:g} MHz"
    if spec.setup:
        text += f", set up on a board by clock_{spec.setup}.c"
    return text + (f"; external {spec.external_hz / 1e6:g} MHz" if spec.external_hz else "")


def _cache_text(spec: CacheSpec | None) -> str:
    if spec is None:
        return ""
    return f"{format_bytes(spec.size)}, {spec.ways} ways, {spec.line_bytes}-byte lines"
