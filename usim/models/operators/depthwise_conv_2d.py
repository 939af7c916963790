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
from usim.models.operators.conv_2d import Convolution
from usim.models.operators.layout import (
    Channels,
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

_MIN_CONVOLUTION_WEIGHTS = 256
"""From which on copying each window into a row of a matrix is measured to pay."""


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
        geometry = {
            "batches": batches,
            "input_channels": depth,
            **window_fields((height, width), (window[0], window[1]), options.steps, axes),
            "dilation_height": options.steps.dilation[0],
            "dilation_width": options.steps.dilation[1],
        }
        output = {
            "output_offset": target.zero_point,
            **output_range(node, target, options.activation),
        }
        if depth == 1 and weights.size >= _MIN_CONVOLUTION_WEIGHTS:
            # Each output channel takes the one input channel: that is what CONV_2D does.
            geometry_2d = {**geometry, "output_channels": channels}
            plan = Convolution(node, options.steps, filters, output, scaling, geometry_2d)
            call = plan.fast_call(bias_values)
            if call is not None:
                return call
        shape = {**geometry, "depth_multiplier": channels // depth, **output}
        records = folded_channels(filters, bias_values, source.zero_point, scaling, 4)
        call = _padded_call(node, shape, filters, records)
        return call or _plain_call(node, shape, plain_pointers(node, bias, scaling))


def _weights(node: Node, source: TensorSpec) -> npt.NDArray[np.int8]:
    weights = node.weights(1, rank=4, axis=3)
    if weights.shape[0] != 1 or weights.shape[3] % source.shape[3] != 0:
        raise node.error(f"the weights {list(weights.shape)} do not fit {source}")
    return weights


def _padded_call(
    node: Node, shape: dict[str, int], filters: npt.NDArray[np.int8], records: Channels
) -> KernelCall | None:
    """The fast kernel; None if a padded row of the image does not fit the scratch memory."""
    band = find_band(shape, len(filters))
    if band is None:
        return None
    fields = {
        "channels": len(filters),
        "zero_point": node.input(0).zero_point,
        "narrow": int(records.narrow),
    }
    return KernelCall(
        kernel="depthwise_conv_2d_padded",
        shape_type="depthwise_conv_2d_padded_shape",
        shape={**shape, **fields, **band.fields},
        pointers=weighted_pointers(node, four_channel_weights(filters), records),
        macs=_macs(node, shape),
        scratch_bytes=band.size_bytes,
    )


def _plain_call(node: Node, shape: dict[str, int], pointers: tuple[Pointer, ...]) -> KernelCall:
    return KernelCall(
        kernel="depthwise_conv_2d",
        shape_type="depthwise_conv_2d_shape",
        shape={**shape, "input_offset": -node.input(0).zero_point},
        pointers=pointers,
        macs=_macs(node, shape),
    )


def _macs(node: Node, shape: dict[str, int]) -> int:
    return node.output().element_count * shape["filter_height"] * shape["filter_width"]
