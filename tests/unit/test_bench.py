"""The bench command: what it writes and what it refuses. Its figures are not tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", str(ROOT / "scripts" / "_bench"), *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_figures_come_with_the_machine_and_their_samples(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = bench("lazy-batch", "--json", str(file))
    assert done.returncode == 0, done.stderr
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["format"] == 1
    assert {"commit", "date", "processor", "load", "versions"} <= written["machine"].keys()
    (saving,) = (f for f in written["figures"] if f["name"] == "strict / lazy transactions")
    assert (saving["how"], saving["goal"]) == ("counted", ">= 10")
    assert any(figure["samples"] for figure in written["figures"])
    assert saving["name"] in done.stdout


def test_unknown_bench_names_those_that_there_are() -> None:
    done = bench("lazy")
    assert done.returncode == 2
    assert "no bench is called 'lazy'" in done.stderr
    assert "emulation-speed, lazy-batch" in done.stderr
