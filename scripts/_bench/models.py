"""The bench of whole models: what they cost on the chip, in memory, and until the first result.

Published figures of boards (board_figures.py) stand beside the modelled ones.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from board_figures import BOARD_FIGURES
from measures import ROOT, Figure, ProcessCost, run_command, run_measured

_SHARED: Final = Path(os.environ.get("USIM_SHARED_DATA") or ROOT.parent / "shared" / "data")
# MLPerf Tiny's models are not in the repository: they are looked for beside the checkout.
_MODELS: Final = {
    "CIFAR-10 network": (ROOT / "usim" / "demo" / "cifar10_cnn.tflite", "<= 2.2"),
    "ResNet-8": (_SHARED / "models" / "pretrainedResnet_quant.tflite", "<= 2.2"),
    "DS-CNN": (_SHARED / "models" / "kws_ref_model.tflite", "<= 3.5"),
}


def models() -> list[Figure]:
    """Cycles, cycles/MAC, memory and seconds to the first result of three networks."""
    figures: list[Figure] = []
    for name, (file, goal) in _MODELS.items():
        if file.is_file():
            figures += _figures(name, file, goal)
        else:
            print(f"  {name} is left out: no {file.name} (set USIM_SHARED_DATA)", file=sys.stderr)
    return figures


def _figures(name: str, file: Path, goal: str) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        cold, result = _run(file, Path(folder))
        cached = [_run(file, Path(folder))[0] for _ in range(5)]
        plan = _inspect(file, Path(folder))
    own = result["model_bytes"]

    def figure(what: str, value: float, unit: str, how: str, goal: str = "") -> Figure:
        return Figure("models", f"{name}: {what}", value, unit, how, goal)  # type: ignore[arg-type]

    count = result["count"]
    above = 100 * (plan["bytes"] / plan["lower_bound_bytes"] - 1)
    boards = [
        figure(f"{item.chip}, {item.by}", item.cycles, "cycles", "measured on a board")
        for item in BOARD_FIGURES.get(name, ())
    ]
    return [
        figure("one inference", count["total"], count["unit"], count["source"]),
        *boards,
        figure("per MAC", count["per_mac"], "cycles/MAC", count["source"], goal),
        figure("activations", plan["bytes"], "bytes", "counted"),
        figure("the largest live set", plan["lower_bound_bytes"], "bytes", "counted"),
        figure("activations above that", above, "%", "counted", "<= 2"),
        figure("text", own["text"], "bytes", "counted"),
        figure("rodata", own["rodata"], "bytes", "counted"),
        *_host_figures(name, cold, cached),
    ]


def _host_figures(name: str, cold: ProcessCost, cached: Sequence[ProcessCost]) -> list[Figure]:
    """Seconds and memory of a whole `usim run`, first and later ones."""

    def several(what: str, samples: list[float], unit: str, goal: str = "") -> Figure:
        middle = statistics.median(samples)
        label = f"{name}: {what}"
        shown = tuple(samples) if len(samples) > 1 else ()
        return Figure("models", label, middle, unit, goal=goal, samples=shown)

    seconds = [cost.seconds for cost in cached]
    processor = [cost.processor_s for cost in cached]
    peaks = [cost.peak_bytes / 2**20 for cost in cached]
    return [
        several("`usim run` with an empty cache", [cold.seconds], "s", "< 5"),
        several("processor time of that", [cold.processor_s], "s"),
        several("host memory of that, peak", [cold.peak_bytes / 2**20], "MiB"),
        several("`usim run`, cached", seconds, "s", "< 1"),
        several("processor time of that, cached", processor, "s"),
        several("host memory of that, cached, peak", peaks, "MiB"),
    ]


def _run(file: Path, folder: Path) -> tuple[ProcessCost, Any]:
    """What a whole process costs, one inference on zeros, and its JSON."""
    target = folder / "run.json"
    command = [sys.executable, "-P", "-m", "usim", "run", "--platform", "stm32f746"]
    command += ["--model", str(file), "--input", str(_zeros(file, folder)), "--json", str(target)]
    cost = run_measured(command, str(folder / "cache"))
    return cost, json.loads(target.read_text(encoding="utf-8"))


def _zeros(file: Path, folder: Path) -> Path:
    """An input of zeros in the model's own shape, so that every model gets one inference."""
    import numpy as np  # noqa: PLC0415

    from usim.models import Model  # noqa: PLC0415

    spec = Model.load(file).inputs[0]
    target = folder / "input.npy"
    np.save(target, np.zeros(spec.shape, spec.numpy_dtype()))
    return target


def _inspect(file: Path, folder: Path) -> Any:  # noqa: ANN401 - JSON
    target = folder / "inspect.json"
    command = [sys.executable, "-P", "-m", "usim", "inspect", str(file), "--json", str(target)]
    run_command(command, str(folder / "cache"))
    return json.loads(target.read_text(encoding="utf-8"))["arena"]
