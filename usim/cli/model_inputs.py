"""What commands feed a model, and what they call the classes: files, labels, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import numpy.typing as npt

from usim import demo
from usim.errors import ArgumentError
from usim.models import InputFiles, Model, PixelRange, guess_pixel_range, image_input, load_image
from usim.report.console import make_console


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One inference's inputs: a name, their stored values, and the right class where known."""

    name: str
    stored: tuple[npt.NDArray[Any], ...]
    expected: int | None


def class_names(file: Path | None, model: Model, *, is_demo: bool) -> list[str]:
    """The classes of a model's outputs, from a file with one a line; without one, numbers."""
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


def chosen_inputs(
    model: Model,
    images: tuple[Path, ...],
    files: tuple[str, ...],
    pixels: PixelRange | None,
    *,
    is_demo: bool,
) -> list[ModelInput]:
    """The inputs that a command names, or else the demo's pictures, or zeros.

    All are read before anything is loaded, so that a bad file fails early.
    """
    if files:
        sets = InputFiles(model, sys.stdin.buffer, pixels).read(files)
        return [ModelInput(item.name, item.stored, None) for item in sets]
    if images:
        chosen: list[tuple[Path, int | None]] = [(path, None) for path in images]
    elif is_demo:
        chosen = list(demo.images())
    else:
        # A profile needs no picture: what the layers cost hardly depends on the values.
        return [
            ModelInput("zeros", tuple(_zeros(model, i) for i in range(len(model.inputs))), None)
        ]
    if len(model.inputs) != 1:
        raise ArgumentError(
            f"{model.name} has {len(model.inputs)} inputs and --image feeds one; use --input"
        )
    spec = model.inputs[0]
    pixels = pixels or guess_pixel_range(model)
    return [
        ModelInput(
            str(path) if images else path.name,
            (image_input(load_image(path, spec), spec, pixels),),
            expected,
        )
        for path, expected in chosen
    ]


def _zeros(model: Model, index: int) -> npt.NDArray[Any]:
    """The real value 0 throughout."""
    spec = model.inputs[index]
    if spec.quantization is None:
        return np.zeros(spec.shape, spec.numpy_dtype())
    return model.quantize_input(np.zeros(spec.shape), index)


_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def input_option(command: _Decorated) -> _Decorated:
    """`--input`, as all commands that feed a model have it."""
    return click.option(
        "--input",
        "files",
        multiple=True,
        metavar="[NAME=]FILE",
        help="An input: .npy or .npz (real numbers are quantised as the input says, those of its "
        "own type are stored as they are), a picture, raw bytes as stored (any other file), or - "
        "for standard input. Repeat it for each input, in the model's order or by NAME. A .npz of "
        "several arrays feeds all inputs: by their names, or as input_0, input_1 ...",
    )(command)


def pixels_option(command: _Decorated) -> _Decorated:
    """`--pixels`, the real values that a picture's bytes stand for."""
    return click.option(
        "--pixels",
        type=click.Choice([item.name.lower() for item in PixelRange]),
        callback=lambda _context, _option, value: PixelRange[value.upper()] if value else None,
        help="What a picture's 0 to 255 stand for: unit 0 to 1, signed -1 to 1, byte 0 to 255. "
        "Default: what the input can hold; byte if its largest value is above 2, else signed if "
        "its smallest is below -0.5, else unit.",
    )(command)


def with_progress(total: int) -> Iterator[int]:
    """Count to `total` with a bar on stderr."""
    from rich import progress as bars  # noqa: PLC0415 - only data sets take that long

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=make_console(stderr=True), transient=True) as progress:
        yield from progress.track(range(total), description="images")
