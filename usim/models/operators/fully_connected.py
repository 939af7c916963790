"""FULLY_CONNECTED: a matrix times each row of the input, int8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tflite

from usim.errors import ModelError
from usim.models.graph import Options
from usim.models.operators.base import KernelCall, Node, Recipe, read_activation
from usim.models.operators.layout import folded_channels, gemm_weights, weighted_pointers
from usim.models.operators.scaling import channel_scales, multipliers, output_range
from usim.models.quantization import FusedActivation

_MAX_BIAS_SCALE_ERROR = 0.02
"""TensorFlow Lite's limit, in output steps, on how far the bias' scale is off input * weights."""


@dataclass(frozen=True, slots=True)
class FullyConnectedOptions(Options):
    activation: FusedActivation


class FullyConnected(Recipe):
    kind = "FULLY_CONNECTED"
    options_type = tflite.BuiltinOptions.FullyConnectedOptions

    def read_options(self, union: Any) -> FullyConnectedOptions:  # noqa: ANN401
        table = tflite.FullyConnectedOptions()
        table.Init(union.Bytes, union.Pos)
        if table.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
            raise ModelError("shuffled weights are not supported")
        return FullyConnectedOptions(read_activation(table.FusedActivationFunction()))

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 3)
        options = node.operator.options
        assert isinstance(options, FullyConnectedOptions)
        source = node.expect_activation(node.input(0))
        target = node.expect_activation(node.output())
        weights = node.weights(1, rank=2, axis=0)
        units, depth = weights.shape
        batches, rest = divmod(source.element_count, depth)
        if rest or target.element_count != batches * units or target.shape[-1:] != (units,):
            raise node.error(f"weights {list(weights.shape)} do not take {source} to {target}")
        _, bias_values = node.bias(2, units)
        node.expect_fitting_accumulators(weights, bias_values, source.zero_point)
        scaling = multipliers(node, self._scales(node, units))
        stored = gemm_weights(weights)
        channels = folded_channels(weights, bias_values, source.zero_point, scaling, 2)
        shape = {
            "batches": batches,
            "depth": depth,
            "units": units,
            "packed": int(stored.packed),
            "narrow": int(channels.narrow),
            "output_offset": target.zero_point,
            **output_range(node, target, options.activation),
        }
        return KernelCall(
            kernel="fully_connected",
            shape_type="fully_connected_shape",
            shape=shape,
            pointers=weighted_pointers(node, stored.data, channels),
            macs=batches * units * depth,
        )

    def _scales(self, node: Node, units: int) -> list[float]:
        """One real multiplier for each unit, or a single one. TensorFlow Lite Micro computes both
        in double precision (older versions rounded input * weights to single for the latter)."""
        weights, source, bias = node.input(1), node.input(0), node.optional_input(2)
        assert weights.quantization is not None
        if weights.quantization.per_channel:
            return channel_scales(node, units)
        if bias is not None and bias.quantization is not None:
            error = abs(source.scale * weights.scale - bias.scale) / node.output().scale
            if error > _MAX_BIAS_SCALE_ERROR:
                raise node.error(f"the scale of {bias} is not that of {source} times {weights}")
        return channel_scales(node, 1)
