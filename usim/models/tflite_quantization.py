"""Reads and checks a tensor's quantization from a .tflite file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from usim.errors import ModelError
from usim.models.graph import Quantization

_ZERO_POINT_RANGE = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}


def read_quantization(
    table: Any,  # noqa: ANN401
    shape: tuple[int, ...],
    dtype: str,
) -> Quantization | None:
    """The tensor's quantization, or None if it has none. ModelError (without file) if it is bad."""
    scales = table.ScaleAsNumpy() if table is not None else 0
    if not isinstance(scales, np.ndarray) or scales.size == 0:
        return None
    zero_points = table.ZeroPointAsNumpy()
    count = zero_points.size if isinstance(zero_points, np.ndarray) else 0
    if count != scales.size:
        raise ModelError(f"{scales.size} scales but {count} zero points")
    quantization = Quantization(
        tuple(float(scale) for scale in scales),
        tuple(int(zero_point) for zero_point in zero_points),
        int(table.QuantizedDimension()),
    )
    _check(quantization, shape, dtype)
    return quantization


def _check(quantization: Quantization, shape: tuple[int, ...], dtype: str) -> None:
    for scale in quantization.scales:
        # Bias scales of dead channels may be 0 in real models: 8-bit tensors cannot use that.
        if not math.isfinite(scale) or scale < 0 or (scale == 0 and dtype in _ZERO_POINT_RANGE):
            raise ModelError(f"scale {scale}; it must be positive and finite")
    lowest, highest = _ZERO_POINT_RANGE.get(dtype, (-(2**31), 2**31 - 1))
    for zero_point in quantization.zero_points:
        if not lowest <= zero_point <= highest:
            raise ModelError(f"zero point {zero_point} is outside {dtype}")
    if not quantization.per_channel:
        return
    axis, count = quantization.axis, len(quantization.scales)
    if not 0 <= axis < len(shape) or shape[axis] != count:
        raise ModelError(f"{count} scales along dimension {axis} of shape {list(shape)}")
