"""OpenOCD's own flash driver on the emulated chip, through the virtual probe.

Its driver for the STM32F7 identifies the chip, erases sectors, and runs a program on the chip that
stores halfwords to the flash and polls FLASH_SR.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from usim.platforms import load_platform
from usim.probe import VirtualProbe

KIB = 1024
Ask = Callable[..., str]


@pytest.fixture(params=["stm32f746", "stm32f767"])
def platform(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def ask(platform: str) -> Iterator[Ask]:
    """Run OpenOCD with commands on one and the same chip; what it said."""
    openocd = shutil.which("openocd")
    if openocd is None:
        pytest.skip("openocd is not installed")
    with VirtualProbe(load_platform(platform)) as probe:
        adapter = (
            f"adapter driver remote_bitbang; remote_bitbang port {probe.port}; "
            "remote_bitbang host 127.0.0.1; transport select jtag; "
            "gdb_port disabled; telnet_port disabled; tcl_port disabled"
        )

        def run(*commands: str, succeeds: bool = True) -> str:
            words = ["-c", adapter, "-f", "target/stm32f7x.cfg"]
            for command in ("init", "reset halt", *commands, "shutdown"):
                words += ["-c", command]
            done = subprocess.run(
                [openocd, *words], capture_output=True, text=True, timeout=120, check=False
            )
            said = done.stdout + done.stderr
            assert (done.returncode == 0) is succeeds, said
            return said

        yield run


def test_flash_is_written_whole_sectors_first_and_neighbours_stay(ask: Ask, tmp_path: Path) -> None:
    """Two images into sectors 1 and 2; the second must not touch the first."""
    first, second, back = (tmp_path / name for name in ("first", "second", "back"))
    chooser = random.Random(0)
    first.write_bytes(chooser.randbytes(8 * KIB + 1))  # an odd size
    second.write_bytes(chooser.randbytes(3 * KIB))
    ask(
        "flash erase_sector 0 0 3",
        f"flash write_image {first} 0x08008000",
        f"flash write_image erase {second} 0x08010000",
        f"flash write_image erase {second} 0x08010000",
        f"verify_image {first} 0x08008000",
        f"dump_image {back} 0x08008000 {64 * KIB}",
    )
    content = first.read_bytes().ljust(32 * KIB, b"\xff") + second.read_bytes()
    assert back.read_bytes() == content.ljust(64 * KIB, b"\xff")


def test_the_driver_knows_the_part_by_its_registers(ask: Ask, platform: str) -> None:
    said = ask("flash probe 0", "flash info 0", "stm32f2x options_read 0")
    sizes = [int(size, 16) // KIB for size in re.findall(r"#\s*\d+: 0x\w+ \((0x\w+) \d+kB\)", said)]
    large = {"stm32f746": 3, "stm32f767": 7}[platform]
    assert sizes == [32] * 4 + [128] + [256] * large
    assert {"stm32f746": "STM32F7[4|5]x", "stm32f767": "STM32F7[6|7]x"}[platform] in said
    assert "not protected" in said
    assert "boot_add0 0x0080, boot_add1 0x0040" in said


def test_protection_holds_against_openocd_and_unlocking_erases(ask: Ask, tmp_path: Path) -> None:
    image, back = tmp_path / "image", tmp_path / "back"
    image.write_bytes(bytes(range(64)))
    ask(f"flash write_image erase {image} 0x08000000", "flash protect 0 1 1 on")
    said = ask(f"flash write_image {image} 0x08008000", succeeds=False)
    assert "protected" in said
    ask("stm32f2x lock 0")
    said = ask("mdw 0x08000000", succeeds=False)
    assert "Failed to read memory at 0x08000000" in said
    ask("stm32f2x unlock 0", f"dump_image {back} 0x08000000 64")
    assert back.read_bytes() == b"\xff" * 64
