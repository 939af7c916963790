"""The scenarios of this folder, run by Robot Framework on the backends that CI has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from robot.api import ExecutionResult

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OTHER = {"embedded": "qemu", "qemu": "embedded"}


@pytest.mark.parametrize("backend", OTHER)
def test_scenarios_pass(backend, tmp_path):
    if shutil.which("qemu-system-arm") is None:
        pytest.skip("backend qemu needs qemu-system-arm, which is not installed")
    output = tmp_path / "output.xml"
    arguments = ["--variable", f"BACKEND:{backend}", "--variable", f"OTHER:{OTHER[backend]}"]
    arguments += ["--output", str(output), "--log", "NONE", "--report", "NONE", str(HERE)]
    done = subprocess.run(
        [sys.executable, "-m", "robot", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert output.is_file(), done.stderr
    suite = ExecutionResult(output).suite
    failures = [f"{test.full_name}: {test.message}" for test in suite.all_tests if test.failed]
    assert not failures, "\n".join(failures)
    assert suite.statistics.passed > 10
    assert suite.statistics.skipped == 0
    assert done.returncode == 0, done.stderr
