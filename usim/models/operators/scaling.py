"""What operators with weights share: requantisation, and their kernels' pointers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from usim.models.graph import TensorSpec
from usim.models.operators.base import NewConstant, Node, Pointer
from usim.models.quantization import (
    FusedActivation,
    activation_range,
    quantize_multiplier,
    real_activation_range,
)

Multipliers = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""Multipliers and shifts, one pair per channel."""


def channel_scales(node: Node, channels: int) -> list[float]:
    """input * weights / output, for each output channel."""
    weights = node.input(1).quantization
    assert weights is not None
    scales = weights.scales if weights.per_channel else weights.scales * channels
    # The order of the operations matters: TensorFlow Lite computes this in double precision.
    return [node.input(0).scale * scale / node.output().scale for scale in scales]


def multiplier(node: Node, real: float) -> tuple[int, int]:
    """(multiplier, shift) of a real multiplier; ModelError if it is too large."""
    try:
        return quantize_multiplier(real)
    except ValueError as exc:
        raise node.error(str(exc)) from exc


def multipliers(node: Node, reals: list[float]) -> Multipliers:
    pairs = [multiplier(node, real) for real in reals]
    return (
        np.array([mantissa for mantissa, _ in pairs], dtype=np.int32),
        np.array([shift for _, shift in pairs], dtype=np.int32),
    )


def output_range(node: Node, output: TensorSpec, activation: FusedActivation) -> Mapping[str, int]:
    """The shape fields `activation_min` and `activation_max`."""
    try:
        lowest, highest = activation_range(
            activation, output.scale, output.zero_point, output.dtype
        )
    except ValueError as exc:
        raise node.error(str(exc)) from exc
    if lowest > highest:
        raise node.error(f"{activation.name} leaves no {output.dtype} value for {output}")
    return {"activation_min": lowest, "activation_max": highest}


def real_output_range(activation: FusedActivation) -> Mapping[str, float]:
    """The same for a float32 output."""
    lowest, highest = real_activation_range(activation)
    return {"activation_min": lowest, "activation_max": highest}


def plain_pointers(
    node: Node, bias: int | NewConstant, scaling: Multipliers
) -> tuple[Pointer, ...]:
    """The parameters of a kernel that takes the weights as they are in the file."""
    return (
        Pointer("input", "const int8_t", node.input(0).index),
        Pointer("weights", "const int8_t", node.input(1).index),
        Pointer("bias", "const int32_t", bias),
        Pointer("multiplier", "const int32_t", NewConstant(scaling[0])),
        Pointer("shift", "const int32_t", NewConstant(scaling[1])),
        Pointer("output", "int8_t", node.output().index),
    )
