"""FULLY_CONNECTED: a matrix times each row of the input; int8, int16 with int8 weights, float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.errors import ModelError
from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import (
    KernelCall,
    NewConstant,
    Node,
    Pointer,
    Recipe,
    read_activation,
    source_pointer,
    target_pointer,
)
from usim.models.operators.layout import (
    folded_channels,
    four_column_reals,
    four_column_weights,
    gemm_weights,
    padded_rows,
    weighted_pointers,
)
from usim.models.operators.scaling import (
    Multipliers,
    channel_scales,
    multipliers,
    output_range,
    real_output_range,
)
from usim.models.quantization import FusedActivation, wide_multipliers

_MAX_BIAS_SCALE_ERROR = 0.02
"""TensorFlow Lite's limit, in output steps, on how far the bias' scale is off input * weights."""
_UNITS = 4
"""The kernel's FULLY_CONNECTED_UNITS."""
_WIDE_LIMIT = 2**47
"""Of 64-bit accumulators: TensorFlow Lite's scaling takes no larger ones."""


@dataclass(frozen=True, slots=True)
class FullyConnectedOptions(Options):
    """`narrow_sums`: an int16 layer without a bias sums in 32 bits, and not in 64 (where there is a
    bias, its type says so)."""

    activation: FusedActivation
    narrow_sums: bool


class FullyConnected(Recipe):
    kind = "FULLY_CONNECTED"
    options_type = tflite.BuiltinOptions.FullyConnectedOptions

    def read_options(self, union: Any) -> FullyConnectedOptions:  # noqa: ANN401
        table = tflite.FullyConnectedOptions()
        table.Init(union.Bytes, union.Pos)
        if table.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
            raise ModelError("shuffled weights are not supported")
        return FullyConnectedOptions(
            read_activation(table.FusedActivationFunction()),
            table.QuantizedBiasType() == tflite.TensorType.INT32,
        )

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 3)
        source = node.expect_type(node.input(0), _LOWERINGS)
        target = node.expect_type(node.output(), (source.dtype,))
        return _LOWERINGS[source.dtype](node, source, target)


def _lower_s8(node: Node, source: TensorSpec, target: TensorSpec) -> KernelCall:
    weights = node.weights(1, rank=2, axis=0)
    extents = _extents(node, weights.shape)
    _, bias_values = node.bias(2, extents["units"])
    node.expect_fitting_accumulators(weights, bias_values, source.zero_point)
    scaling = multipliers(node, _scales(node, extents["units"]))
    stored = gemm_weights(weights)
    channels = folded_channels(weights, bias_values, source.zero_point, scaling, 2)
    return KernelCall(
        kernel="fully_connected",
        shape_type="fully_connected_shape",
        shape={
            **extents,
            "packed": int(stored.packed),
            "narrow": int(channels.narrow),
            "output_offset": target.zero_point,
            **output_range(node, target, _options(node).activation),
        },
        pointers=weighted_pointers(node, stored.data, channels),
        macs=_macs(extents),
    )


def _lower_s16(node: Node, source: TensorSpec, target: TensorSpec) -> KernelCall:
    weights = node.weights(1, rank=2, axis=0)
    extents = _extents(node, weights.shape)
    units = extents["units"]
    bias = node.optional_input(2)
    wide = not _options(node).narrow_sums if bias is None else bias.dtype == "int64"
    _, values = node.bias(2, units, "int64" if wide else "int32")
    scaling = multipliers(node, _scales(node, units))
    if wide:
        _expect_wide_accumulators(node, weights, values, source)
        scaling = _wide(node, scaling)
    # Sums that are not wide wrap, as TensorFlow Lite Micro's do.
    folded = values - source.zero_point * weights.astype(np.int64).sum(axis=1)
    pairs = np.stack(np.broadcast_arrays(*scaling, np.zeros(units, np.int32))[:2], axis=1)
    return KernelCall(
        kernel="fully_connected",
        shape_type="fully_connected_s16_shape",
        shape={
            **extents,
            "wide": int(wide),
            "output_offset": target.zero_point,
            **output_range(node, target, _options(node).activation),
        },
        pointers=(
            source_pointer(source),
            Pointer("weights", "const int8_t", NewConstant(four_column_weights(weights))),
            Pointer("bias", "const int64_t", NewConstant(padded_rows(folded, _UNITS))),
            Pointer("scaling", "const int32_t", NewConstant(padded_rows(pairs, _UNITS))),
            target_pointer(target),
        ),
        macs=_macs(extents),
        types="s16",
    )


def _lower_f32(node: Node, source: TensorSpec, target: TensorSpec) -> KernelCall:
    tensor = node.input(1)
    if tensor.data is None or tensor.dtype != "float32" or len(tensor.shape) != 2:
        raise node.error(f"the weights, {tensor}, must be a float32 constant with 2 dimensions")
    extents = _extents(node, tensor.data.shape)
    _, bias = node.bias(2, extents["units"], "float32")
    weights = four_column_reals(tensor.data)
    return KernelCall(
        kernel="fully_connected",
        shape_type="fully_connected_f32_shape",
        shape={**extents, **real_output_range(_options(node).activation)},
        pointers=(
            source_pointer(source),
            Pointer("weights", "const float", NewConstant(weights)),
            Pointer("bias", "const float", NewConstant(padded_rows(bias, _UNITS))),
            target_pointer(target),
        ),
        macs=_macs(extents),
        types="f32",
    )


_LOWERINGS = {"int8": _lower_s8, "int16": _lower_s16, "float32": _lower_f32}


def _options(node: Node) -> FullyConnectedOptions:
    options = node.operator.options
    assert isinstance(options, FullyConnectedOptions)
    return options


def _extents(node: Node, weights: tuple[int, ...]) -> dict[str, int]:
    source, target = node.input(0), node.output()
    units, depth = weights
    batches, rest = divmod(source.element_count, depth)
    if rest or target.element_count != batches * units or target.shape[-1:] != (units,):
        raise node.error(f"weights {list(weights)} do not take {source} to {target}")
    return {"batches": batches, "depth": depth, "units": units}


def _macs(extents: dict[str, int]) -> int:
    return extents["batches"] * extents["depth"] * extents["units"]


def _scales(node: Node, units: int) -> list[float]:
    """One real multiplier for each unit, or a single one. TensorFlow Lite Micro computes both in
    double precision (older versions rounded input * weights to single for the latter)."""
    weights, source, bias = node.input(1), node.input(0), node.optional_input(2)
    assert weights.quantization is not None
    if weights.quantization.per_channel:
        return channel_scales(node, units)
    if bias is not None and bias.quantization is not None:
        error = abs(source.scale * weights.scale - bias.scale) / node.output().scale
        if error > _MAX_BIAS_SCALE_ERROR:
            raise node.error(f"the scale of {bias} is not that of {source} times {weights}")
    return channel_scales(node, 1)


def _expect_wide_accumulators(
    node: Node, weights: npt.NDArray[np.int8], bias: npt.NDArray[Any], source: TensorSpec
) -> None:
    limits = np.iinfo(source.dtype)
    widest = max(limits.max - source.zero_point, source.zero_point - limits.min)
    # Of the largest number's magnitude there is no int64.
    for row, start in zip(weights, bias.tolist(), strict=True):
        if int(np.abs(row.astype(np.int64)).sum()) * widest + abs(start) >= _WIDE_LIMIT:
            raise node.error("weights and bias are so large that 48-bit sums overflow")


def _wide(node: Node, scaling: Multipliers) -> Multipliers:
    try:
        return wide_multipliers(*scaling)
    except ValueError as exc:
        raise node.error(str(exc)) from exc
