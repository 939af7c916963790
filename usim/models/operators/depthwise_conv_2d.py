"""DEPTHWISE_CONV_2D: each input channel convolved by itself, int8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.models.graph import Options, TensorSpec
from usim.models.operators.bands import find_band
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe, read_activation
from usim.models.operators.layout import (
    folded_channels,
    four_channel_weights,
    weighted_pointers,
)
from usim.models.operators.scaling import (
    channel_scales,
    multipliers,
    output_range,
    plain_pointers,
)
from usim.models.operators.window import Steps, read_steps, slide, window_fields
from usim.models.quantization import FusedActivation


@dataclass(frozen=True, slots=True)
class DepthwiseConv2DOptions(Options):
    """The depth multiplier follows from the weights' shape; the file's own field is redundant."""

    steps: Steps
    activation: FusedActivation


class DepthwiseConv2D(Recipe):
    kind = "DEPTHWISE_CONV_2D"
    options_type = tflite.BuiltinOptions.DepthwiseConv2DOptions

    def read_options(self, union: Any) -> DepthwiseConv2DOptions:  # noqa: ANN401
        table = tflite.DepthwiseConv2DOptions()
        table.Init(union.Bytes, union.Pos)
        return DepthwiseConv2DOptions(
            read_steps(table, dilated=True), read_activation(table.FusedActivationFunction())
        )

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 3)
        options = node.operator.options
        assert isinstance(options, DepthwiseConv2DOptions)
        source = node.expect_activation(node.input(0), rank=4)
        target = node.expect_activation(node.output(), rank=4)
        weights = _weights(node, source)
        batches, height, width, depth = source.shape
        _, *window, channels = weights.shape
        axes = slide(node, (height, width), (window[0], window[1]), options.steps)
        node.expect_shape(target, (batches, axes[0].output, axes[1].output, channels))
        bias, bias_values = node.bias(2, channels)
        filters = weights.reshape(-1, channels).T
        node.expect_fitting_accumulators(filters, bias_values, source.zero_point)
        scaling = multipliers(node, channel_scales(node, channels))
        shape = {
            "batches": batches,
            "input_channels": depth,
            "depth_multiplier": channels // depth,
            "zero_point": source.zero_point,
            **window_fields((height, width), (window[0], window[1]), options.steps, axes),
            "dilation_height": options.steps.dilation[0],
            "dilation_width": options.steps.dilation[1],
            "output_offset": target.zero_point,
            **output_range(node, target, options.activation),
        }
        band = find_band(shape, channels)
        if band is None:
            return _plain_call(node, shape, plain_pointers(node, bias, scaling))
        records = folded_channels(filters, bias_values, source.zero_point, scaling, 4)
        pointers = weighted_pointers(node, four_channel_weights(filters), records)
        padded = {"channels": channels, "narrow": int(records.narrow), **band.fields}
        return KernelCall(
            kernel="depthwise_conv_2d_padded",
            shape_type="depthwise_conv_2d_padded_shape",
            shape={**shape, **padded},
            pointers=pointers,
            macs=_macs(node, shape),
            scratch_bytes=band.size_bytes,
        )


def _weights(node: Node, source: TensorSpec) -> npt.NDArray[np.int8]:
    weights = node.weights(1, rank=4, axis=3)
    if weights.shape[0] != 1 or weights.shape[3] % source.shape[3] != 0:
        raise node.error(f"the weights {list(weights.shape)} do not fit {source}")
    return weights


def _plain_call(node: Node, shape: dict[str, int], pointers: tuple[Pointer, ...]) -> KernelCall:
    fields = {**shape, "input_offset": -shape["zero_point"]}
    del fields["zero_point"]
    return KernelCall(
        kernel="depthwise_conv_2d",
        shape_type="depthwise_conv_2d_shape",
        shape=fields,
        pointers=pointers,
        macs=_macs(node, shape),
    )


def _macs(node: Node, shape: dict[str, int]) -> int:
    return node.output().element_count * shape["filter_height"] * shape["filter_width"]
