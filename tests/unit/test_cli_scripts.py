"""The scripts that set up their own environment: what they refuse, and what they leave alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the scripts need a POSIX shell")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing in it but the scripts."""
    folder = tmp_path / "check out"
    folder.mkdir()
    shutil.copytree(CHECKOUT / "scripts", folder / "scripts")
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    return folder


def _run(script: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script],
        cwd="/",
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("script", ["usim", "test", "check"])
def test_python_that_is_too_old_is_named(checkout: Path, script: str, tmp_path: Path) -> None:
    old = _program(tmp_path / "python3.8", "exit 1")
    done = _run(checkout / "scripts" / script, PYTHON=str(old))
    assert done.returncode == 1
    assert done.stderr.endswith(f"usim: PYTHON={old} is not a Python 3.11 or newer\n")


def test_no_python_at_all_says_what_to_do(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("dirname", "cat", "cksum", "mkdir", "find", "rm", "sleep"):
        (folder / name).symlink_to(shutil.which(name) or name)
    done = _run(checkout / "scripts" / "usim", PATH=str(folder), PYTHON="")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed and there is no python3" in done.stderr
    assert "PYTHON=/path/to/python3" in done.stderr


def test_environment_that_others_made_is_never_thrown_away(checkout: Path) -> None:
    foreign = checkout / ".venv"
    (foreign / "bin").mkdir(parents=True)
    (foreign / "pyvenv.cfg").write_text("home = /nowhere\n")
    _program(foreign / "bin" / "python", "exit 1")
    (foreign / ".usim-started").touch()
    done = _run(checkout / "scripts" / "usim")
    assert done.returncode == 1
    assert "was made by other means" in done.stderr
    assert (foreign / "bin" / "python").exists()
