"""CONV_2D: 2-D convolution, int8, one weight scale per output channel or per tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tflite

from usim.models.graph import Options
from usim.models.operators.base import KernelCall, Node, Recipe, read_activation
from usim.models.operators.scaling import (
    channel_scales,
    multipliers,
    output_range,
    weighted_pointers,
)
from usim.models.operators.window import Steps, read_steps, slide, window_fields
from usim.models.quantization import FusedActivation


@dataclass(frozen=True, slots=True)
class Conv2DOptions(Options):
    steps: Steps
    activation: FusedActivation


class Conv2D(Recipe):
    kind = "CONV_2D"
    options_type = tflite.BuiltinOptions.Conv2DOptions

    def read_options(self, union: Any) -> Conv2DOptions:  # noqa: ANN401
        table = tflite.Conv2DOptions()
        table.Init(union.Bytes, union.Pos)
        return Conv2DOptions(
            read_steps(table, dilated=True), read_activation(table.FusedActivationFunction())
        )

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 3)
        options = node.operator.options
        assert isinstance(options, Conv2DOptions)
        source = node.expect_activation(node.input(0), rank=4)
        target = node.expect_activation(node.output(), rank=4)
        weights = node.weights(1, rank=4, axis=0)
        batches, height, width, depth = source.shape
        channels, _, _, filter_depth = weights.shape
        if filter_depth != depth:
            raise node.error(
                f"the weights take {filter_depth} channels and {source} has {depth}; "
                "grouped convolution is not supported"
            )
        window = (weights.shape[1], weights.shape[2])
        axes = slide(node, (height, width), window, options.steps)
        node.expect_shape(target, (batches, axes[0].output, axes[1].output, channels))
        bias, bias_values = node.bias(2, channels)
        node.expect_fitting_accumulators(
            weights.reshape(channels, -1), bias_values, source.zero_point
        )
        shape = {
            "batches": batches,
            "input_channels": depth,
            "output_channels": channels,
            **window_fields((height, width), window, options.steps, axes),
            "dilation_height": options.steps.dilation[0],
            "dilation_width": options.steps.dilation[1],
            "input_offset": -source.zero_point,
            "output_offset": target.zero_point,
            **output_range(node, target, options.activation),
        }
        return KernelCall(
            kernel="conv_2d",
            shape_type="conv_2d_shape",
            shape=shape,
            pointers=weighted_pointers(
                node, bias, multipliers(node, channel_scales(node, channels))
            ),
            macs=target.element_count * window[0] * window[1] * depth,
        )
