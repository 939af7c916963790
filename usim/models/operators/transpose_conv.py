"""TRANSPOSE_CONV: 2-D transposed convolution, int8, one weight scale per output channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tflite

from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import (
    KernelCall,
    NewConstant,
    Node,
    Pointer,
    Recipe,
    read_activation,
)
from usim.models.operators.scaling import multipliers, output_range
from usim.models.operators.window import Axis as WindowAxis
from usim.models.operators.window import Padding, Steps, check_extent, read_padding, window_fields
from usim.models.quantization import FusedActivation


@dataclass(frozen=True, slots=True)
class TransposeConvOptions(Options):
    steps: Steps
    activation: FusedActivation


class TransposeConv(Recipe):
    """Inputs: the output's shape (not looked at: the output has it), weights, images, bias."""

    kind = "TRANSPOSE_CONV"
    options_type = tflite.BuiltinOptions.TransposeConvOptions

    def read_options(self, union: Any) -> TransposeConvOptions:  # noqa: ANN401
        table = tflite.TransposeConvOptions()
        table.Init(union.Bytes, union.Pos)
        steps = Steps(read_padding(table.Padding()), (table.StrideH(), table.StrideW()))
        for stride in steps.stride:
            check_extent(stride, "stride")
        return TransposeConvOptions(steps, read_activation(table.FusedActivationFunction()))

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(3, 4)
        options = node.operator.options
        assert isinstance(options, TransposeConvOptions)
        source = node.expect_activation(node.input(2), rank=4)
        target = node.expect_activation(node.output(), rank=4)
        weights = node.weights(1, rank=4, axis=0)
        batches, height, width, depth = source.shape
        channels, *window, filter_depth = weights.shape
        if filter_depth != depth:
            raise node.error(f"the weights take {filter_depth} channels and {source} has {depth}")
        axes = [_axis(node, i, target.shape[i + 1], window[i], options.steps) for i in (0, 1)]
        node.expect_shape(target, (batches, axes[0].output, axes[1].output, channels))
        bias, bias_values = node.bias(3, channels)
        node.expect_fitting_accumulators(
            weights.reshape(channels, -1), bias_values, source.zero_point
        )
        shape = {
            "batches": batches,
            "input_channels": depth,
            "output_channels": channels,
            **window_fields(
                (height, width), (window[0], window[1]), options.steps, (axes[0], axes[1])
            ),
            "input_offset": -source.zero_point,
            "output_offset": target.zero_point,
            **output_range(node, target, options.activation),
        }
        return KernelCall(
            kernel="transpose_conv",
            shape_type="transpose_conv_shape",
            shape=shape,
            pointers=_pointers(node, source, bias),
            macs=source.element_count * window[0] * window[1] * channels,
        )


def _axis(node: Node, index: int, extent: int, taps: int, steps: Steps) -> WindowAxis:
    """Padding of the convolution whose input would be this one's output, along one axis."""
    if steps.padding is Padding.VALID:
        if extent < taps:
            raise node.error(f"a window of {taps} does not fit an output of {extent}")
        return WindowAxis(extent, 0)
    stride = steps.stride[index]
    covered = (-(-extent // stride) - 1) * stride + taps
    return WindowAxis(extent, max(covered - extent, 0) // 2)


def _pointers(node: Node, source: TensorSpec, bias: int | NewConstant) -> tuple[Pointer, ...]:
    quantization = node.input(1).quantization
    assert quantization is not None
    channels = node.input(1).shape[0]
    scales = quantization.scales if quantization.per_channel else quantization.scales * channels
    target = node.output()
    # In double precision and in this order, as CONV_2D.
    scaling = multipliers(node, [source.scale * scale / target.scale for scale in scales])
    return (
        Pointer("input", "const int8_t", source.index),
        Pointer("weights", "const int8_t", node.input(1).index),
        Pointer("bias", "const int32_t", bias),
        Pointer("multiplier", "const int32_t", NewConstant(scaling[0])),
        Pointer("shift", "const int32_t", NewConstant(scaling[1])),
        Pointer("output", "int8_t", target.index),
    )
