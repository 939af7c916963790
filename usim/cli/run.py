"""`usim run`: a model through an emulated (or real) chip, with answers, counts and memory."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import click

from usim import demo
from usim.check import CheckedModel, ModelCheck, naming
from usim.cli.model_inputs import (
    ModelInput,
    chosen_inputs,
    class_names,
    input_option,
    pixels_option,
    with_progress,
)
from usim.cli.output_path import OutputPath
from usim.cli.weights_option import weights_option
from usim.compiled_model import CompiledModel, ModelProfile
from usim.devices import BACKENDS, Timing
from usim.errors import ArgumentError
from usim.models import Model, PixelRange, guess_pixel_range, image_input, load_dataset
from usim.report.check_tables import check_json, print_check
from usim.report.console import make_console
from usim.report.json_file import write_json
from usim.report.output_file import check_output_file, write_outputs
from usim.report.run_result import Accuracy, Answer, RunResult, collect
from usim.report.run_tables import print_run
from usim.session import Session
from usim.toolchain import TOOLCHAINS
from usim.weight_placement import Weights

_EXAMPLES = """\b
Examples:
  usim run --platform stm32f746                     ten shipped images, shipped model
  usim run --platform stm32f746 --image cat.png --image dog.jpg
  usim run --platform stm32f746 --model my.tflite --image in.png --labels names.txt
  usim run --platform stm32f746 --model my.tflite --input x.npy --output y.npz
  usim run --platform stm32f746 --dataset test.npz --limit 1000
  usim run --platform stm32f746 --check-against qemu    same outputs on both?

\b
A data set has the arrays `images` (uint8, n x height x width x channels) and `labels`,
or `jpeg`, `offsets` and `labels` for images kept as JPEG files.
"""


@dataclass(frozen=True, slots=True)
class _Target:
    """What both sessions of a check have in common."""

    platform: str
    toolchain: str | None
    timing: Timing
    strict: bool
    timeout_s: float
    openocd: str | None

    def session(self, backend: str) -> Session:
        return Session(
            self.platform,
            backend=backend,
            toolchain=self.toolchain,
            timing=self.timing,
            strict=self.strict,
            timeout_s=self.timeout_s,
            openocd=self.openocd if backend == "openocd" else None,
        )


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
    help="PNG or JPEG; repeatable. It is cropped around its centre to the input's shape, resized, "
    "and quantised; --pixels says what its bytes stand for.",
)
@pixels_option
@input_option
@click.option(
    "--output",
    type=OutputPath(),
    help="Write the outputs there. .npz: output_0 as stored and output_0_real, what that means, "
    "and so on; .npy or .bin: a single output as stored. Inferences follow one another along the "
    "first extent.",
)
@click.option(
    "--dataset", type=click.Path(path_type=Path), help="Labelled images (.npz): accuracy."
)
@click.option("--limit", type=click.IntRange(min=1), help="Use the first N images of the data set.")
@click.option("--labels", type=click.Path(path_type=Path), help="Class names, one a line.")
@click.option("--backend", type=click.Choice(list(BACKENDS)), default="embedded", show_default=True)
@click.option(
    "--check-against",
    type=click.Choice(list(BACKENDS)),
    help="Run there too, compare all outputs, and show the first layer that differs.",
)
@click.option(
    "--openocd",
    metavar="WHERE",
    help="With backend openocd: HOST:PORT of a running OpenOCD's Tcl port, a configuration "
    'FILE.cfg, or "virtual". Default: the platform\'s openocd.cfg.',
)
@weights_option
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
@click.option("--json", "json_file", type=OutputPath(), help="Write all results there.")
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    platform: str,
    model: Path | None,
    images: tuple[Path, ...],
    pixels: PixelRange | None,
    files: tuple[str, ...],
    output: Path | None,
    dataset: Path | None,
    limit: int | None,
    labels: Path | None,
    backend: str,
    check_against: str | None,
    openocd: str | None,
    weights: Weights,
    toolchain: str | None,
    timing: Timing | None,
    strict: bool,
    timeout: float,
    json_file: Path | None,
) -> None:
    """Run an int8 model on a chip and show its answers, what each layer costs, and the memory.

    Without --model it is a CIFAR-10 network that comes with usim; without --image, --input and
    --dataset it gets ten of CIFAR-10's test images, and another model zeros.
    """
    sources = {"--image": images, "--input": files, "--dataset": dataset}
    _refuse_exclusive([name for name, value in sources.items() if value], output, limit)
    _refuse_devices(backend, check_against, openocd, timing)
    target = _Target(
        platform, toolchain, timing or ("core" if dataset else "full"), strict, timeout, openocd
    )
    session = target.session(backend)
    other = target.session(check_against) if check_against else None
    loaded = Model.load(model or demo.MODEL)
    names = class_names(labels, loaded, is_demo=model is None)
    if output:
        check_output_file(output, loaded)
    is_demo = model is None
    inputs = [] if dataset else chosen_inputs(loaded, images, files, pixels, is_demo=is_demo)
    with session, other or nullcontext():
        compiled = session.load_model(loaded, weights=weights)
        checked = _checked(compiled, other, (backend, check_against or ""))
        if dataset:
            profile, accuracy = _measure_accuracy(checked or compiled, dataset, limit, pixels)
            profiles = [profile]
            answers: tuple[Answer, ...] = ()
        else:
            profiles = [(checked or compiled).profile(*item.stored) for item in inputs]
            answers, accuracy = _classify(loaded, inputs, profiles, names), None
        result = collect(session, compiled, profiles[0], answers, accuracy)
    _show(result, checked.check if checked else None, json_file)
    if output:
        write_outputs(output, loaded, [profile.outputs for profile in profiles])
    if checked:
        # Last, so that what was found is not lost.
        checked.check.require_agreement([item.name for item in inputs])


def _refuse_exclusive(sources: list[str], output: Path | None, limit: int | None) -> None:
    """UsageError for options that exclude each other; `sources` are the given ones of input."""
    if len(sources) > 1:
        raise click.UsageError(f"{' and '.join(sources)} exclude each other")
    if output and "--dataset" in sources:
        raise click.UsageError("--output is for --image and --input, not --dataset")
    if limit and "--dataset" not in sources:
        raise click.UsageError("--limit goes with --dataset")


def _refuse_devices(
    backend: str, check_against: str | None, openocd: str | None, timing: Timing | None
) -> None:
    """UsageError for options of a device that is not used."""
    if check_against == backend:
        raise click.UsageError(f"--check-against needs another backend than {backend}")
    if openocd and "openocd" not in {backend, check_against}:
        raise click.UsageError(f"--openocd is for --backend openocd, not {backend}")
    emulates = "embedded" in {backend, check_against} or (openocd and not openocd.endswith(".cfg"))
    if timing and not emulates:
        raise click.UsageError(f"--timing is for --backend embedded; {backend} counts as it can")


def _checked(
    compiled: CompiledModel, other: Session | None, names: tuple[str, str]
) -> CheckedModel | None:
    if other is None:
        return None
    with naming(names[1]):
        return CheckedModel(
            compiled, other.load_model(compiled.model, weights=compiled.weights), names
        )


def _show(result: RunResult, check: ModelCheck | None, json_file: Path | None) -> None:
    """Tables, then JSON."""
    console = make_console()
    print_run(console, result)
    data = result.as_json()
    names = [answer.name for answer in result.answers]
    if check:
        print_check(console, check, names)
        data["check"] = check_json(check)
    if json_file:
        write_json(json_file, data)


def _classify(
    model: Model, inputs: list[ModelInput], profiles: list[ModelProfile], names: list[str]
) -> tuple[Answer, ...]:
    answers = []
    for item, profile in zip(inputs, profiles, strict=True):
        scores = model.dequantize_output(profile.outputs[0]).reshape(-1)
        winner = int(scores.argmax())
        label = names[winner] if winner < len(names) else str(winner)
        expected = names[item.expected] if item.expected is not None else None
        answers.append(Answer(item.name, winner, label, float(scores[winner]), expected))
    return tuple(answers)


def _measure_accuracy(
    runner: CompiledModel | CheckedModel, file: Path, limit: int | None, pixels: PixelRange | None
) -> tuple[ModelProfile, Accuracy]:
    spec = runner.model.inputs[0]
    dataset = load_dataset(file, spec)
    pixels = pixels or guess_pixel_range(runner.model)
    total = min(limit or len(dataset), len(dataset))
    if not total:
        raise ArgumentError(f"{file} holds no images")
    first: ModelProfile | None = None
    right = 0
    for index in with_progress(total):
        profile = runner.profile(image_input(dataset.image(index), spec, pixels))
        first = first or profile
        right += int(profile.outputs[0].reshape(-1).argmax() == dataset.label(index))
    assert first is not None
    return first, Accuracy(str(file), right, total)
