"""Writes a model's outputs for other programs: .npz, .npy or raw bytes, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from usim.errors import ArgumentError
from usim.models import Model
from usim.report.whole_file import write_whole

_ALL, _SINGLE = ".npz", (".npy", ".bin")


def check_output_file(path: Path, model: Model) -> None:
    """ArgumentError, before anything runs, if this file cannot hold this model's outputs."""
    if path.suffix not in (_ALL, *_SINGLE):
        raise ArgumentError(f"{path}: outputs are written as .npz, .npy or .bin")
    if path.suffix in _SINGLE and len(model.outputs) > 1:
        raise ArgumentError(f"{path}: {model.name} has {len(model.outputs)} outputs; write a .npz")


def write_outputs(
    path: Path, model: Model, inferences: Sequence[Sequence[npt.NDArray[Any]]]
) -> None:
    """Write the outputs of one or more inferences, joined along their first extent.

    .npz: `output_<i>` as stored, and `output_<i>_real` what the stored values mean (float64).
    .npy and .bin (little-endian, without any header): the only output as stored.
    """
    stored = [_joined(values) for values in zip(*inferences, strict=True)]
    buffer = io.BytesIO()
    if path.suffix == ".npy":
        np.save(buffer, stored[0], allow_pickle=False)
    elif path.suffix == ".bin":
        buffer.write(stored[0].astype(stored[0].dtype.newbyteorder("<")).tobytes())
    else:
        arrays = {f"output_{index}": values for index, values in enumerate(stored)}
        for index, spec_values in enumerate(zip(*inferences, strict=True)):
            reals = [model.dequantize_output(values, index) for values in spec_values]
            arrays[f"output_{index}_real"] = _joined(reals)
        np.savez(buffer, allow_pickle=False, **arrays)
    write_whole(path, buffer.getvalue())


def _joined(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """A batch: a single output keeps its shape, and scalars become a row."""
    if len(values) == 1:
        return values[0]
    return np.stack(values) if values[0].ndim == 0 else np.concatenate(values)
