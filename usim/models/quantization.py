"""TensorFlow Lite's arithmetic on scales: what is computed on the host, before any kernel runs.

A real multiplier m becomes integers (multiplier, shift) with m = multiplier * 2^(shift - 31); see
kernels/common/fixed_point.h for their use.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
import numpy.typing as npt

INT8_MIN, INT8_MAX = -128, 127
INT32_MAX = 2**31 - 1
_MAX_LEFT_SHIFT = 30
_MIN_SHIFT = -31
_MAX_WIDE_SHIFT = 7


class FusedActivation(IntEnum):
    """Fused activations, with TFLite's numbers (those above RELU6 are not supported)."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3


_BOUNDS: dict[FusedActivation, tuple[float | None, float | None]] = {
    FusedActivation.NONE: (None, None),
    FusedActivation.RELU: (0.0, None),
    FusedActivation.RELU_N1_TO_1: (-1.0, 1.0),
    FusedActivation.RELU6: (0.0, 6.0),
}


def round_half_away(value: float) -> int:
    """C's `round`: to the nearest integer, ties away from zero."""
    magnitude = math.floor(abs(value) + 0.5)
    return magnitude if value >= 0 else -magnitude


def quantize_fraction(real: float) -> tuple[int, int]:
    """(multiplier, shift) of any real number > 0."""
    mantissa, shift = math.frexp(real)
    multiplier = round_half_away(mantissa * 2**31)
    return (multiplier // 2, shift + 1) if multiplier == 2**31 else (multiplier, shift)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) of a real multiplier >= 0; too small a one becomes 0.

    ValueError for one of 2^30 or more: TensorFlow Lite would shift by more than an int32 has bits.
    """
    if real == 0:
        return 0, 0
    multiplier, shift = quantize_fraction(real)
    if shift < _MIN_SHIFT:
        return 0, 0
    if shift > _MAX_LEFT_SHIFT:
        raise ValueError(f"the scales give a multiplier of {real:.3g}, which is too large")
    return multiplier, shift


def wide_multipliers(
    multiplier: npt.NDArray[np.int32], shift: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The same multipliers as 16 bits and a right shift, as TensorFlow Lite scales 64-bit sums.

    ValueError for one of 2^7 or more, which TensorFlow Lite leaves open.
    """
    if np.any(shift > _MAX_WIDE_SHIFT):
        raise ValueError("the scales give a multiplier that is too large for 64-bit sums")
    reduced = np.minimum((multiplier.astype(np.int64) + (1 << 15)) >> 16, (1 << 15) - 1)
    return reduced.astype(np.int32), (15 - shift).astype(np.int32)


def activation_range(
    activation: FusedActivation, scale: float, zero_point: int, dtype: str = "int8"
) -> tuple[int, int]:
    """The stored values of the activation's bounds in a tensor of this scale and zero point."""

    def quantized(bound: float) -> int:
        # TensorFlow Lite divides in single precision.
        with np.errstate(over="ignore"):
            steps = float(np.float32(bound) / np.float32(scale))
        if not abs(steps) <= INT32_MAX:
            raise ValueError(f"scale {scale:.3g} is too small for {activation.name}")
        return zero_point + round_half_away(steps)

    lowest, highest = _BOUNDS[activation]
    limits = np.iinfo(dtype)
    return (
        limits.min if lowest is None else max(limits.min, quantized(lowest)),
        limits.max if highest is None else min(limits.max, quantized(highest)),
    )


def real_activation_range(activation: FusedActivation) -> tuple[float, float]:
    """The activation's bounds in a float32 tensor: infinities become its largest numbers, even
    where there is no activation, as in TensorFlow Lite."""
    lowest, highest = _BOUNDS[activation]
    largest = float(np.finfo(np.float32).max)
    return (
        -largest if lowest is None else lowest,
        largest if highest is None else highest,
    )


def accumulators_fit(
    weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], zero_point: int
) -> bool:
    """Whether sum((x - zero_point) * weights) + bias fits int32 for any int8 x.

    `weights`: [channels, taps]; `bias`: [channels].
    """
    bounds = largest_sums(weights, zero_point) + np.abs(bias.astype(np.int64))
    return bool(np.all(bounds <= INT32_MAX))


def largest_sums(weights: npt.NDArray[np.int8], zero_point: int) -> npt.NDArray[np.int64]:
    """A bound on abs(sum((x - zero_point) * weights)) for any int8 x, by channel.

    `weights`: [channels, taps].
    """
    widest = max(INT8_MAX - zero_point, zero_point - INT8_MIN)
    # In 16 bits, as weights may be millions, and 8 do not hold 128.
    sums: npt.NDArray[np.int64] = np.abs(weights.astype(np.int16)).sum(axis=1, dtype=np.int64)
    return sums * widest
