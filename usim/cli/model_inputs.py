"""What `usim run` feeds a model, and what it calls the classes: pictures, labels, progress."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from usim import demo
from usim.errors import ArgumentError
from usim.models import Model, guess_pixel_range, image_input, load_image
from usim.report.console import make_console


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One input: what it is called, its stored values, and the right class where it is known."""

    name: str
    stored: npt.NDArray[np.generic]
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


def image_inputs(model: Model, images: tuple[Path, ...], *, is_demo: bool) -> list[ModelInput]:
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
        return [ModelInput("zeros", model.quantize_input(np.zeros(spec.shape)), None)]
    pixels = guess_pixel_range(model)
    shown = {path: str(path) if images else path.name for path, _ in chosen}
    return [
        ModelInput(shown[path], image_input(load_image(path, spec), spec, pixels), expected)
        for path, expected in chosen
    ]


def with_progress(total: int) -> Iterator[int]:
    """Count to `total` with a bar on stderr."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=make_console(stderr=True), transient=True) as progress:
        yield from progress.track(range(total), description="images")
