"""Compares a platform's YAML with its Renode platform file: both must describe the same chip."""

from __future__ import annotations

from usim.formatting import format_address
from usim.platforms.facts import Platform, Region
from usim.repl import Peripheral, PlatformFile, read_repl


def check_agreement(platform: Platform) -> list[str]:
    """Every difference between the two files, one line each; empty when they agree."""
    machine = read_repl(platform.repl_path)
    return [
        *_check_regions(platform, machine),
        *_check_extra_memory(platform, machine),
        *_check_core(platform, machine),
        *_check_cycle_counter(platform, machine),
        *_check_flash_size(platform, machine),
    ]


def _check_regions(platform: Platform, machine: PlatformFile) -> list[str]:
    at_address = {base: memory for memory in machine.memories() for base in memory.addresses}
    differences = []
    for region in (*platform.regions, *platform.external):
        memory = at_address.get(region.base)
        where = f"{region.name} at {format_address(region.base)}"
        if memory is None:
            differences.append(f"{where}: the .repl has no memory there")
        elif memory.size_bytes != region.size_bytes:
            differences.append(
                f"{where}: {region.size_bytes} bytes in the YAML, {memory.size_bytes} in the .repl"
            )
        elif region.alias_of is not None:
            differences += _check_alias(platform.region(region.alias_of), where, memory)
    return differences


def _check_alias(target: Region, where: str, memory: Peripheral) -> list[str]:
    if target.base in memory.addresses:
        return []
    return [
        f"{where}: an alias of {target.name}, but the .repl's {memory.name} is not registered "
        f"at {format_address(target.base)} as well"
    ]


def _check_extra_memory(platform: Platform, machine: PlatformFile) -> list[str]:
    known = {region.base for region in (*platform.regions, *platform.external)}
    return [
        f"{memory.name} at {format_address(base)}: memory in the .repl that the YAML lacks"
        for memory in machine.memories()
        for base in memory.addresses
        if base not in known
    ]


def _check_core(platform: Platform, machine: PlatformFile) -> list[str]:
    cores = machine.of_type("CPU.CortexM")
    if len(cores) != 1:
        return [f"{len(cores)} CPU.CortexM in the .repl, 1 expected"]
    differences = []
    core_type = cores[0].properties.get("cpuType")
    if core_type != platform.core.name:
        differences.append(
            f"core {platform.core.name} in the YAML, cpuType {core_type} in the .repl"
        )
    mpu_regions = cores[0].properties.get("numberOfMPURegions")
    if mpu_regions != platform.core.mpu_regions:
        differences.append(
            f"{platform.core.mpu_regions} MPU regions in the YAML, "
            f"numberOfMPURegions {mpu_regions} in the .repl"
        )
    return differences


def _check_cycle_counter(platform: Platform, machine: PlatformFile) -> list[str]:
    counters = machine.of_type("Miscellaneous.DWT")
    if len(counters) != 1:
        return [f"{len(counters)} Miscellaneous.DWT in the .repl, 1 expected"]
    frequency = counters[0].properties.get("frequency")
    if frequency == platform.clock_hz:
        return []
    return [f"clock {platform.clock_hz} Hz in the YAML, DWT frequency {frequency} in the .repl"]


def _check_flash_size(platform: Platform, machine: PlatformFile) -> list[str]:
    """What the chip says of its flash, in KiB in a half word, is what it has."""
    said = [tag.value >> 16 for tag in machine.tags if tag.name == "FLASH_SIZE"]
    flash = [
        region for region in platform.regions if region.kind == "flash" and not region.alias_of
    ]
    size_kib = sum(region.size_bytes for region in flash) // 1024
    if not said or said[0] == size_kib:
        return []
    return [f"{size_kib} KiB of flash in the YAML, FLASH_SIZE {said[0]} in the .repl"]
