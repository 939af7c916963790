"""The platforms' openocd.cfg, read by the real OpenOCD; no probe is needed for that."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from usim.platforms import load_platform, platform_names

PLATFORMS = [name for name in platform_names() if name != "mps2-an500"]  # QEMU's machine


def ask(configuration: Path, *commands: str) -> subprocess.CompletedProcess[str]:
    openocd = shutil.which("openocd")
    if openocd is None:
        pytest.skip("openocd is not installed")
    asked = [word for command in (*commands, "shutdown") for word in ("-c", command)]
    return subprocess.run(
        [openocd, "-f", str(configuration), *asked],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("name", PLATFORMS)
def test_the_configuration_is_openocds_and_gives_borrowed_memory_back(name: str) -> None:
    configuration = load_platform(name).folder / "openocd.cfg"
    answer = ask(configuration, "echo backup=[stm32f7x.cpu cget -work-area-backup]", "reset_config")
    assert answer.returncode == 0, answer.stderr
    assert "backup=1" in answer.stderr
    assert "Error" not in answer.stderr
    is_board = load_platform(name).external_clock_hz is not None
    assert ("connect_assert_srst" in answer.stderr) is is_board
