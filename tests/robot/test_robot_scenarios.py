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
needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None,
    reason="backend qemu needs qemu-system-arm, which is not installed",
)


def run_scenarios(folder: Path, *arguments: str) -> None:
    """Run them as a person would; fail with what the failing ones said."""
    output = folder / "output.xml"
    options = ["--output", str(output), "--log", "NONE", "--report", "NONE", *arguments]
    done = subprocess.run(
        [sys.executable, "-m", "robot", *options, "--exclude", "renode", str(HERE)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert output.is_file(), done.stdout + done.stderr
    suite = ExecutionResult(output).suite
    failures = [f"{test.full_name}: {test.message}" for test in suite.all_tests if test.failed]
    assert not failures, "\n".join(failures)
    assert suite.statistics.skipped == 0
    assert suite.statistics.passed > 0
    assert done.returncode == 0, done.stderr


def test_scenarios_pass_on_the_embedded_device(tmp_path):
    run_scenarios(tmp_path, "--variable", "BACKEND:embedded", "--exclude", "two-targets")


@needs_qemu
def test_scenarios_pass_on_qemu_and_both_agree(tmp_path):
    run_scenarios(tmp_path, "--variable", "BACKEND:qemu", "--exclude", "usart")
