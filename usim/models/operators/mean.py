"""MEAN of int8 over any axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import tflite

from usim.models.graph import Options, TensorSpec
from usim.models.operators.axes import (
    Loop,
    axes_fields,
    constant_axes,
    fuse,
    reduced_shape,
    row_major,
)
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe
from usim.models.operators.scaling import multiplier

_MAX_COUNT = 1 << 23
"""Elements of a mean: 2^23 of them, each at most 255 from the zero point, still sum up in int32."""


@dataclass(frozen=True, slots=True)
class MeanOptions(Options):
    keep_dims: bool


class Mean(Recipe):
    kind = "MEAN"
    options_type = tflite.BuiltinOptions.ReducerOptions

    def read_options(self, union: Any) -> MeanOptions:  # noqa: ANN401
        table = tflite.ReducerOptions()
        table.Init(union.Bytes, union.Pos)
        return MeanOptions(bool(table.KeepDims()))

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 2)
        options = node.operator.options
        assert isinstance(options, MeanOptions)
        source = node.expect_activation(node.input(0))
        target = node.expect_activation(node.output())
        axes = constant_axes(node, 1, len(source.shape))
        node.expect_shape(target, reduced_shape(source.shape, axes, keep=options.keep_dims))
        loops = [
            Loop(extent, (stride,))
            for extent, stride in zip(source.shape, row_major(source.shape), strict=True)
        ]
        count = math.prod(source.shape[axis] for axis in axes)
        if count > _MAX_COUNT:
            raise node.error(f"a mean of {count} elements; at most {_MAX_COUNT} are supported")
        output_multiplier, output_shift = _scaling(node, source, target, count)
        return KernelCall(
            kernel="mean",
            shape_type="mean_shape",
            shape={
                "outputs": target.element_count,
                "count": count,
                **axes_fields(
                    "kept", fuse([loop for i, loop in enumerate(loops) if i not in axes])
                ),
                **axes_fields("reduced", fuse([loops[axis] for axis in axes])),
                "input_sum": source.zero_point * count,
                "output_offset": target.zero_point,
                "output_multiplier": output_multiplier,
                "output_shift": output_shift,
            },
            pointers=(
                Pointer("input", "const int8_t", source.index),
                Pointer("output", "int8_t", target.index),
            ),
            macs=0,
        )


def _scaling(node: Node, source: TensorSpec, target: TensorSpec, count: int) -> tuple[int, int]:
    """Multiplier and shift of input scale / (output scale * count), as TensorFlow Lite Micro
    divides: the integer multiplier, with as many bits as the count has to spare."""
    mantissa, shift = multiplier(node, source.scale / target.scale)
    spare = min(count.bit_length() - 1, 32, 31 + shift)
    return (mantissa << spare) // count, shift - spare
