"""REDUCE_MAX and REDUCE_MIN of int8 over any axes: global maximum pooling, for one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import tflite

from usim.models.graph import Options
from usim.models.operators.axes import (
    Loop,
    axes_fields,
    constant_axes,
    fuse,
    reduced_shape,
    row_major,
)
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe


@dataclass(frozen=True, slots=True)
class ReduceOptions(Options):
    keep_dims: bool


class ReduceMax(Recipe):
    """Stored values are compared: input and output must share scale and zero point."""

    kind = "REDUCE_MAX"
    options_type = tflite.BuiltinOptions.ReducerOptions
    sign: ClassVar[int] = 1

    def read_options(self, union: Any) -> ReduceOptions:  # noqa: ANN401
        table = tflite.ReducerOptions()
        table.Init(union.Bytes, union.Pos)
        return ReduceOptions(bool(table.KeepDims()))

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 2)
        options = node.operator.options
        assert isinstance(options, ReduceOptions)
        source = node.expect_activation(node.input(0))
        target = node.expect_activation(node.output())
        node.expect_same_quantization(source, target)
        axes = constant_axes(node, 1, len(source.shape))
        node.expect_shape(target, reduced_shape(source.shape, axes, keep=options.keep_dims))
        loops = [
            Loop(extent, (stride,))
            for extent, stride in zip(source.shape, row_major(source.shape), strict=True)
        ]
        kept = fuse([loop for axis, loop in enumerate(loops) if axis not in axes])
        return KernelCall(
            kernel="reduce_extreme",
            shape_type="reduce_extreme_shape",
            shape={
                "outputs": target.element_count,
                "count": math.prod(source.shape[axis] for axis in axes),
                **axes_fields("kept", kept),
                **axes_fields("reduced", fuse([loops[axis] for axis in axes])),
                "sign": self.sign,
            },
            pointers=(
                Pointer("input", "const int8_t", source.index),
                Pointer("output", "int8_t", target.index),
            ),
            macs=0,
        )


class ReduceMin(ReduceMax):
    kind = "REDUCE_MIN"
    sign = -1
