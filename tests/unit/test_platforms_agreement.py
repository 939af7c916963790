"""A platform's YAML and Renode file are compared; each way to disagree is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from usim.platforms import Platform, check_agreement, load_platform, platform_names


@pytest.mark.parametrize("name", platform_names())
def test_the_shipped_platforms_agree(name: str) -> None:
    assert check_agreement(load_platform(name)) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the STM32F746 to break."""
    return Path(shutil.copytree(load_platform("stm32f746").folder, tmp_path / "stm32f746"))


def change(file: Path, old: str, new: str) -> Platform:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return load_platform(file.parent)


REPL_CHANGES = {
    "size": (
        "size: 0x3C000",
        "size: 0x50000",
        "sram1 at 0x2001_0000: 245760 bytes in the YAML, 327680 in the .repl",
    ),
    "alias": (
        "sysbus 0x08000000;\n        sysbus 0x00200000",
        "sysbus 0x08000000",
        "flash_itcm at 0x0020_0000: the .repl has no memory there",
    ),
    "alias of other memory": (
        "        sysbus 0x08000000;\n        sysbus 0x00200000\n    }\n    size: 0x100000\n",
        "        sysbus 0x08000000\n    }\n    size: 0x100000\n\n"
        "copy: Memory.MappedMemory @ sysbus 0x00200000\n    size: 0x100000\n",
        "flash_itcm at 0x0020_0000: an alias of flash, but the .repl's copy is not registered "
        "at 0x0800_0000 as well",
    ),
    "extra memory": (
        "dwt: ",
        "sdram: Memory.ArrayMemory @ sysbus 0xC0000000\n    size: 0x800000\n\ndwt: ",
        "sdram at 0xc000_0000: memory in the .repl that the YAML lacks",
    ),
    "core": (
        'cpuType: "cortex-m7"',
        'cpuType: "cortex-m4f"',
        "core cortex-m7 in the YAML, cpuType cortex-m4f in the .repl",
    ),
    "MPU": (
        "    numberOfMPURegions: 8\n",
        "",
        "8 MPU regions in the YAML, numberOfMPURegions None in the .repl",
    ),
    "clock": (
        "0xE0001000\n    frequency: 216000000",
        "0xE0001000\n    frequency: 200000000",
        "clock 216000000 Hz in the YAML, DWT frequency 200000000 in the .repl",
    ),
    "flash size": (
        '"FLASH_SIZE" 0x04000000',
        '"FLASH_SIZE" 0x02000000',
        "1024 KiB of flash in the YAML, FLASH_SIZE 512 in the .repl",
    ),
    "cycle counter": (
        "dwt: Miscellaneous.DWT @ sysbus 0xE0001000\n    frequency: 216000000\n",
        "",
        "0 Miscellaneous.DWT in the .repl, 1 expected",
    ),
}


@pytest.mark.parametrize(
    ("old", "new", "difference"), REPL_CHANGES.values(), ids=list(REPL_CHANGES)
)
def test_a_change_in_the_renode_file_is_noticed(
    folder: Path, old: str, new: str, difference: str
) -> None:
    platform = change(folder / "stm32f746.repl", old, new)
    assert check_agreement(platform) == [difference]


def test_a_region_moved_in_the_yaml_is_noticed_from_both_sides(folder: Path) -> None:
    platform = change(folder / "platform.yaml", "base: 0x2004_C000", "base: 0x2006_0000")
    assert check_agreement(platform) == [
        "sram2 at 0x2006_0000: the .repl has no memory there",
        "sram2 at 0x2004_c000: memory in the .repl that the YAML lacks",
    ]
