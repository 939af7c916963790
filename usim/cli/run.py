"""`usim run`: a model through an emulated (or real) chip, with answers, counts and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from usim import demo
from usim.compiled_model import CompiledModel, ModelProfile
from usim.devices import BACKENDS, Timing
from usim.errors import ArgumentError
from usim.models import Model, image_input, load_dataset, load_image
from usim.report.console import make_console
from usim.report.json_file import write_json
from usim.report.run_result import Accuracy, Answer, collect
from usim.report.run_tables import print_run
from usim.session import Session
from usim.toolchain import TOOLCHAINS

_EXAMPLES = """\b
Examples:
  usim run --platform stm32f746                     ten shipped images, shipped model
  usim run --platform stm32f746 --image cat.png --image dog.jpg
  usim run --platform stm32f746 --model my.tflite --image in.png --labels names.txt
  usim run --platform stm32f746 --dataset test.npz --limit 1000

\b
A data set has the arrays `images` (uint8, n x height x width x channels) and `labels`,
or `jpeg`, `offsets` and `labels` for images kept as JPEG files.
"""


@dataclass(frozen=True, slots=True)
class _Input:
    name: str
    stored: npt.NDArray[np.generic]
    expected: int | None


@click.command(epilog=_EXAMPLES)
@click.option(
    "--platform", required=True, metavar="NAME", help="A chip: see `usim platforms list`."
)
@click.option("--model", type=click.Path(path_type=Path), help="A .tflite file, int8.")
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(path_type=Path),
    help="PNG or JPEG; repeatable.",
)
@click.option(
    "--dataset", type=click.Path(path_type=Path), help="Labelled images (.npz): accuracy."
)
@click.option("--limit", type=click.IntRange(min=1), help="Use the first N images of the data set.")
@click.option("--labels", type=click.Path(path_type=Path), help="Class names, one a line.")
@click.option("--backend", type=click.Choice(list(BACKENDS)), default="embedded", show_default=True)
@click.option("--toolchain", type=click.Choice(list(TOOLCHAINS)), help="Compiler for the device.")
@click.option(
    "--timing",
    type=click.Choice(["count", "core", "full"]),
    help="Count instructions; or model cycles: of the core, or with caches and memories. "
    "Default: full, with --dataset core.",
)
@click.option("--strict", is_flag=True, help="Run each call at once instead of in batches.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True,
    help="Seconds that one batch may take.",
)  # fmt: skip
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write all results there."
)
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    platform: str,
    model: Path | None,
    images: tuple[Path, ...],
    dataset: Path | None,
    limit: int | None,
    labels: Path | None,
    backend: str,
    toolchain: str | None,
    timing: Timing | None,
    strict: bool,
    timeout: float,
    json_file: Path | None,
) -> None:
    """Run an int8 model on a chip and show its answers, what each layer costs, and the memory.

    Without --model it is a CIFAR-10 network that comes with usim; without --image and --dataset
    it gets ten of CIFAR-10's test images.
    """
    if images and dataset:
        raise click.UsageError("--image and --dataset exclude each other")
    if timing and backend != "embedded":
        raise click.UsageError(f"--timing is for --backend embedded; {backend} counts as it can")
    if limit and not dataset:
        raise click.UsageError("--limit goes with --dataset")
    session = Session(
        platform,
        backend=backend,
        toolchain=toolchain,
        timing=timing or ("core" if dataset else "full"),
        strict=strict,
        timeout_s=timeout,
    )
    loaded = Model.load(model or demo.MODEL)
    names = _class_names(labels, loaded, is_demo=model is None)
    inputs = None if dataset else _image_inputs(loaded, images, is_demo=model is None)
    with session:
        compiled = session.load_model(loaded)
        if dataset:
            profile, accuracy = _measure_accuracy(compiled, dataset, limit)
            answers: tuple[Answer, ...] = ()
        else:
            assert inputs is not None
            profile, answers = _classify(compiled, inputs, names)
            accuracy = None
        result = collect(session, compiled, profile, answers, accuracy)
    print_run(make_console(), result)
    if json_file:
        write_json(json_file, result.as_json())


def _class_names(file: Path | None, model: Model, *, is_demo: bool) -> list[str]:
    outputs = model.outputs[0].shape[-1] if model.outputs[0].shape else 1
    if file is None:
        return list(demo.LABELS) if is_demo else [str(index) for index in range(outputs)]
    try:
        names = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise ArgumentError(f"cannot read the class names in {file}: {reason}") from exc
    names = [name.strip() for name in names if name.strip()]
    if len(names) != outputs:
        raise ArgumentError(f"{file} has {len(names)} class names; the model has {outputs} classes")
    return names


def _image_inputs(model: Model, images: tuple[Path, ...], *, is_demo: bool) -> list[_Input]:
    """The inputs, decoded before anything is loaded, so that a bad file fails early."""
    spec = model.inputs[0]
    if len(model.inputs) != 1:
        raise ArgumentError(f"the model has {len(model.inputs)} inputs; `usim run` feeds one image")
    if images:
        chosen: list[tuple[Path, int | None]] = [(path, None) for path in images]
    elif is_demo:
        chosen = list(demo.images())
    else:
        # A profile needs no picture: what the layers cost hardly depends on the values.
        return [_Input("zeros", model.quantize_input(np.zeros(spec.shape)), None)]
    shown = {path: str(path) if images else path.name for path, _ in chosen}
    return [
        _Input(shown[path], image_input(load_image(path, spec), spec), expected)
        for path, expected in chosen
    ]


def _classify(
    compiled: CompiledModel, inputs: list[_Input], names: list[str]
) -> tuple[ModelProfile, tuple[Answer, ...]]:
    profiles = [compiled.profile(item.stored) for item in inputs]
    answers = []
    for item, profile in zip(inputs, profiles, strict=True):
        scores = compiled.model.dequantize_output(profile.outputs[0]).reshape(-1)
        winner = int(scores.argmax())
        label = names[winner] if winner < len(names) else str(winner)
        expected = names[item.expected] if item.expected is not None else None
        answers.append(Answer(item.name, winner, label, float(scores[winner]), expected))
    return profiles[0], tuple(answers)


def _measure_accuracy(
    compiled: CompiledModel, file: Path, limit: int | None
) -> tuple[ModelProfile, Accuracy]:
    spec = compiled.model.inputs[0]
    dataset = load_dataset(file, spec)
    total = min(limit or len(dataset), len(dataset))
    if not total:
        raise ArgumentError(f"{file} holds no images")
    first: ModelProfile | None = None
    right = 0
    for index in _with_progress(total):
        profile = compiled.profile(image_input(dataset.image(index), spec))
        first = first or profile
        right += int(profile.outputs[0].reshape(-1).argmax() == dataset.label(index))
    assert first is not None
    return first, Accuracy(str(file), right, total)


def _with_progress(total: int) -> Iterator[int]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=make_console(stderr=True), transient=True) as progress:
        yield from progress.track(range(total), description="images")
