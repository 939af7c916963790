"""Robot keywords on firmware that works by interrupts: boot.robot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from boot_programs import build_firmware

HERE = Path(__file__).resolve().parent


def test_keywords_work_on_firmware_that_lives_by_interrupts(tmp_path):
    for name in ("usart_echo", "blinky"):
        build_firmware(name, "clang", tmp_path)
    options = ("--output", "NONE", "--log", "NONE", "--report", "NONE")
    variable = ("--variable", f"FIRMWARE:{tmp_path}")
    done = subprocess.run(
        [sys.executable, "-m", "robot", *options, *variable, str(HERE / "boot.robot")],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 tests, 2 passed" in done.stdout
