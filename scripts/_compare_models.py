"""Runs .tflite files on the emulated chip and in TensorFlow Lite Micro: a row for each, and why."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tflite_micro import runtime

import usim
from usim.errors import UsimError
from usim.models import Model
from usim.models.graph import TensorSpec

_ARENA_BYTES: Final = 8 << 20
Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one model. `answer` is `equal`, `DIFFERS ...`, or why there is none."""

    name: str
    answer: str
    macs: int = 0
    cycles: int = 0
    arena_bytes: int = 0
    lower_bound_bytes: int = 0
    constant_bytes: int = 0
    seconds: float = 0.0

    def text(self) -> str:
        ratio = f"{self.cycles / self.macs:.2f}" if self.macs else "-"
        arena = f"{self.arena_bytes:,}/{self.lower_bound_bytes:,}"
        return (
            f"{self.name:36} {self.macs:>11,} {self.cycles:>12,} {ratio:>7} {arena:>17} "
            f"{self.constant_bytes:>9,} {self.seconds:5.1f}  {self.answer}"
        )


def compare(path: Path, platform: str, layers: bool) -> Row:
    """One model: three inputs, its outputs against TensorFlow Lite Micro's, and what it costs."""
    started = time.perf_counter()
    try:
        model = Model.load(path)
        lowered = model.lowered
        with usim.Session(platform) as session:
            compiled = session.load_model(model)
            inputs = list(_inputs(model.inputs))
            profile = compiled.profile(*inputs[0])
            seconds = time.perf_counter() - started
            compiled.reset()
            answers = [_several(compiled(*data)) for data in inputs]
    except UsimError as exc:
        return Row(path.stem, f"REFUSED {exc}")
    if layers:
        _print_layers(profile)
    return Row(
        path.stem,
        _verdict(path, inputs, answers) + _remark(model),
        macs=model.macs,
        cycles=profile.count.value,
        arena_bytes=lowered.plan.size_bytes,
        lower_bound_bytes=lowered.plan.lower_bound_bytes,
        constant_bytes=lowered.constant_bytes,
        seconds=seconds,
    )


def _several(outputs: Any) -> Arrays:  # noqa: ANN401
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


def _inputs(specs: tuple[TensorSpec, ...]) -> Iterator[Arrays]:
    rng = np.random.default_rng(5)
    for spread in (40, 10, 127):
        data: Arrays = []
        for spec in specs:
            if spec.dtype == "float32":
                values = rng.normal(0, spread / 40, spec.shape)
            elif spec.quantization is None:
                values = rng.integers(0, 100, spec.shape).astype(np.float64)
            else:
                limits = np.iinfo(spec.dtype)
                values = np.clip(
                    rng.normal(limits.min + 128, spread, spec.shape), limits.min, limits.max
                )
            data.append(values.astype(spec.dtype))
        yield data


def _verdict(path: Path, inputs: list[Arrays], answers: list[Arrays]) -> str:
    try:
        interpreter = runtime.Interpreter.from_file(str(path), arena_size=_ARENA_BYTES)
        expected = [_reference(interpreter, data, len(answers[0])) for data in inputs]
    except Exception as exc:  # noqa: BLE001 - the binding raises what it likes
        return f"runs; not in TensorFlow Lite Micro ({str(exc).splitlines()[0][:80]})"
    wrong = 0
    for answer, reference in zip(answers, expected, strict=True):
        for ours, theirs in zip(answer, reference, strict=True):
            wrong += int(np.sum(ours.reshape(theirs.shape).view(np.uint8) != theirs.view(np.uint8)))
    return f"DIFFERS in {wrong} bytes" if wrong else "equal"


def _remark(model: Model) -> str:
    """What TensorFlow Lite Micro is known not to compute as TensorFlow Lite does."""
    if any(operator.kind == "SPACE_TO_BATCH_ND" for operator in model.graph.operators):
        return " (SPACE_TO_BATCH_ND: ask TensorFlow Lite, Micro has no right borders there)"
    return ""


def _reference(interpreter: Any, data: Arrays, outputs: int) -> Arrays:  # noqa: ANN401
    for index, values in enumerate(data):
        interpreter.set_input(values, index)
    interpreter.invoke()
    return [np.array(interpreter.get_output(index)) for index in range(outputs)]


def _print_layers(profile: Any) -> None:  # noqa: ANN401
    for layer in profile.layers:
        cycles = layer.count.value
        each = cycles / (layer.macs or int(np.prod(layer.output_shape)))
        unit = "MAC" if layer.macs else "element"
        shape = "x".join(map(str, layer.output_shape))
        print(f"   {layer.index:3} {layer.kind:22} {shape:14} {cycles:>11,} {each:7.2f} per {unit}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare models with TensorFlow Lite Micro.")
    parser.add_argument("paths", type=Path, nargs="+", help="files, or folders of .tflite files")
    parser.add_argument("--platform", default="stm32f746")
    parser.add_argument("--layers", action="store_true", help="each layer's cycles besides")
    arguments = parser.parse_args()
    files = [
        file
        for path in arguments.paths
        for file in (sorted(path.glob("*.tflite")) if path.is_dir() else [path])
    ]
    print(
        f"{'model':36} {'MACs':>11} {'cycles':>12} {'per MAC':>7} {'arena/bound':>17} "
        f"{'constants':>9} {'s':>5}  against TensorFlow Lite Micro"
    )
    wrong = False
    for file in files:
        row = compare(file, arguments.platform, arguments.layers)
        wrong |= "DIFFERS" in row.answer
        print(row.text(), flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
