"""TRANSPOSE_CONV: 2-D transposed convolution, int8, one weight scale per output channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

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
    SCRATCH_BYTES,
    WORD_BYTES,
    phase_channels,
    round_up,
    several_gemm_weights,
)
from usim.models.operators.scaling import Multipliers, multipliers, output_range
from usim.models.operators.window import Axis as WindowAxis
from usim.models.operators.window import Padding, Steps, check_extent, read_padding, window_fields
from usim.models.quantization import FusedActivation

_MAX_PHASES = 16
"""Each has records of its own for all output channels."""
_MAX_PATCHES = 16
"""Output pixels whose input transpose_conv_phased gathers at a time."""


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
            **_geometry((height, width), window, options.steps, axes),
            "output_offset": target.zero_point,
            **output_range(node, target, options.activation),
        }
        macs = source.element_count * math.prod(window) * channels
        patch_bytes = round_up(_largest_phase(window, options.steps) * depth, WORD_BYTES)
        patch_count = min(SCRATCH_BYTES // patch_bytes, _MAX_PATCHES)
        if patch_count and math.prod(options.steps.stride) <= _MAX_PHASES:
            fields = {**shape, "patch_count": patch_count, "patch_bytes": patch_bytes}
            return _phased_call(node, fields, bias_values, macs)
        return KernelCall(
            kernel="transpose_conv",
            shape_type="transpose_conv_shape",
            shape={**shape, "input_offset": -source.zero_point},
            pointers=_pointers(node, source, bias),
            macs=macs,
        )


def _geometry(
    image: tuple[int, int], window: Sequence[int], steps: Steps, axes: Sequence[WindowAxis]
) -> dict[str, int]:
    return window_fields(image, (window[0], window[1]), steps, (axes[0], axes[1]))


def _largest_phase(window: Sequence[int], steps: Steps) -> int:
    """Its taps."""
    rows, columns = (-(-window[i] // steps.stride[i]) for i in (0, 1))
    return rows * columns


def _phased_call(
    node: Node, shape: dict[str, int], bias: npt.NDArray[np.int32], macs: int
) -> KernelCall:
    weights = node.weights(1, rank=4, axis=0)
    rows, columns = shape["stride_height"], shape["stride_width"]
    # Each phase's taps in reverse order: its input ascends where the taps descend.
    phases = [
        weights[:, y::rows, x::columns][:, ::-1, ::-1].reshape(len(weights), -1)
        for y in range(rows)
        for x in range(columns)
    ]
    source, target = node.input(2), node.output()
    stored = several_gemm_weights(phases)
    channels = phase_channels(phases, bias, source.zero_point, _scaling(node))
    return KernelCall(
        kernel="transpose_conv_phased",
        shape_type="transpose_conv_phased_shape",
        shape={
            **shape,
            "zero_point": source.zero_point,
            "packed": int(stored.packed),
            "narrow": int(channels.narrow),
        },
        pointers=(
            source_pointer(source),
            Pointer("weights", "const int8_t", NewConstant(stored.data)),
            Pointer("channels", "const int32_t", NewConstant(channels.records)),
            target_pointer(target),
        ),
        macs=macs,
        scratch_bytes=shape["patch_count"] * shape["patch_bytes"],
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


def _scaling(node: Node) -> Multipliers:
    quantization = node.input(1).quantization
    assert quantization is not None
    channels = node.input(1).shape[0]
    scales = quantization.scales if quantization.per_channel else quantization.scales * channels
    source, target = node.input(2), node.output()
    # In double precision and in this order, as CONV_2D.
    return multipliers(node, [source.scale * scale / target.scale for scale in scales])


def _pointers(node: Node, source: TensorSpec, bias: int | NewConstant) -> tuple[Pointer, ...]:
    scaling = _scaling(node)
    return (
        Pointer("input", "const int8_t", source.index),
        Pointer("weights", "const int8_t", node.input(1).index),
        Pointer("bias", "const int32_t", bias),
        Pointer("multiplier", "const int32_t", NewConstant(scaling[0])),
        Pointer("shift", "const int32_t", NewConstant(scaling[1])),
        Pointer("output", "int8_t", node.output().index),
    )
