"""MEAN, REDUCE_MAX, REDUCE_MIN and SUM of int8 over any axes: global pooling, for one."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

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
"""Elements of a sum: 2^23 of them, each at most 255 from the zero point, still fit int32."""


@dataclass(frozen=True, slots=True)
class ReduceOptions(Options):
    keep_dims: bool


class Reduction(Recipe):
    """One output for all elements along the axes that go."""

    options_type = tflite.BuiltinOptions.ReducerOptions
    kernel: ClassVar[str]

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
        axes = constant_axes(node, 1, len(source.shape))
        node.expect_shape(target, reduced_shape(source.shape, axes, keep=options.keep_dims))
        loops = [
            Loop(extent, (stride,))
            for extent, stride in zip(source.shape, row_major(source.shape), strict=True)
        ]
        kept = fuse([loop for axis, loop in enumerate(loops) if axis not in axes])
        count = math.prod(source.shape[axis] for axis in axes)
        return KernelCall(
            kernel=self.kernel,
            shape_type=f"{self.kernel}_shape",
            shape={
                "outputs": target.element_count,
                "count": count,
                **axes_fields("kept", kept),
                **axes_fields("reduced", fuse([loops[axis] for axis in axes])),
                **self.fields(node, source, target, count),
            },
            pointers=(
                Pointer("input", "const int8_t", source.index),
                Pointer("output", "int8_t", target.index),
            ),
            macs=0,
        )

    @abstractmethod
    def fields(
        self, node: Node, source: TensorSpec, target: TensorSpec, count: int
    ) -> Mapping[str, int]:
        """The fields that only this kernel's shape has; `count` elements become one."""


class ReduceMax(Reduction):
    """Stored values are compared: input and output must share scale and zero point."""

    kind = "REDUCE_MAX"
    kernel = "reduce_extreme"
    sign: ClassVar[int] = 1

    def fields(
        self, node: Node, source: TensorSpec, target: TensorSpec, count: int
    ) -> Mapping[str, int]:
        node.expect_same_quantization(source, target)
        return {"sign": self.sign}


class ReduceMin(ReduceMax):
    kind = "REDUCE_MIN"
    sign = -1


class Sum(Reduction):
    kind = "SUM"
    kernel = "sum"

    def fields(
        self, node: Node, source: TensorSpec, target: TensorSpec, count: int
    ) -> Mapping[str, int]:
        if count > _MAX_COUNT:
            raise node.error(f"a sum of {count} elements; at most {_MAX_COUNT} are supported")
        output_multiplier, output_shift = self.scaling(node, source.scale / target.scale, count)
        return {
            "input_sum": source.zero_point * count,
            "output_offset": target.zero_point,
            "output_multiplier": output_multiplier,
            "output_shift": output_shift,
        }

    def scaling(self, node: Node, real: float, count: int) -> tuple[int, int]:
        """Multiplier and shift of the sum; `real` is input scale / output scale."""
        return multiplier(node, real)


class Mean(Sum):
    """TensorFlow Lite Micro divides the integer multiplier by the count, with as many bits as that
    has to spare."""

    kind = "MEAN"

    def scaling(self, node: Node, real: float, count: int) -> tuple[int, int]:
        mantissa, shift = multiplier(node, real)
        spare = min(count.bit_length() - 1, 32, 31 + shift)
        return (mantissa << spare) // count, shift - spare
