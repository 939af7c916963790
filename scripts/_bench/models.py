"""The bench of whole models: what they cost on the chip, in memory, and until the first result."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from measures import ROOT, Figure, run_command

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
        warm = [_run(file, Path(folder))[0] for _ in range(5)]
        plan = _inspect(file, Path(folder))
    own = result["model_bytes"]

    def figure(what: str, value: float, unit: str, how: str, goal: str = "") -> Figure:
        return Figure("models", f"{name}: {what}", value, unit, how, goal)  # type: ignore[arg-type]

    count = result["count"]
    seconds = sorted(warm)[len(warm) // 2]
    return [
        figure("one inference", count["total"], count["unit"], count["source"]),
        figure("per MAC", count["per_mac"], "cycles/MAC", count["source"], goal),
        figure("activations", plan["bytes"], "bytes", "counted"),
        figure("the largest live set", plan["lower_bound_bytes"], "bytes", "counted"),
        figure("text", own["text"], "bytes", "counted"),
        figure("rodata", own["rodata"], "bytes", "counted"),
        figure("`usim run` with an empty cache", cold, "s", "measured", "< 5"),
        Figure(
            "models", f"{name}: the same, cached", seconds, "s", goal="< 1", samples=tuple(warm)
        ),
    ]


def _run(file: Path, folder: Path) -> tuple[float, Any]:
    """Seconds of a whole process, one inference on zeros, and its JSON."""
    target = folder / "run.json"
    command = [sys.executable, "-P", "-m", "usim", "run", "--platform", "stm32f746"]
    command += ["--model", str(file), "--input", str(_zeros(file, folder)), "--json", str(target)]
    started = time.perf_counter()
    run_command(command, str(folder / "cache"))
    return time.perf_counter() - started, json.loads(target.read_text(encoding="utf-8"))


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
