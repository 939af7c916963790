"""MUL of two tensors: int8 or int16, each with its own quantisation, or float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tflite

from usim.models.graph import Options, TensorSpec
from usim.models.operators.axes import Loop
from usim.models.operators.base import Node, read_activation
from usim.models.operators.elementwise import Elementwise, broadcast_fields
from usim.models.operators.scaling import multiplier, output_range, real_output_range
from usim.models.quantization import FusedActivation


@dataclass(frozen=True, slots=True)
class MulOptions(Options):
    activation: FusedActivation


class Mul(Elementwise):
    kind = "MUL"
    options_type = tflite.BuiltinOptions.MulOptions
    shape_type = "mul_shape"
    real_shape_type = "mul_f32_shape"

    def read_options(self, union: Any) -> MulOptions:  # noqa: ANN401
        table = tflite.MulOptions()
        table.Init(union.Bytes, union.Pos)
        return MulOptions(read_activation(table.FusedActivationFunction()))

    def check(self, node: Node, tensor: TensorSpec) -> None:
        node.expect_type(tensor, ("int8", "int16", "float32"))
        if tensor.dtype == "int16" and tensor.zero_point != 0:
            raise node.error(f"{tensor} has zero point {tensor.zero_point}; it must be 0")

    def fields(self, node: Node, loops: list[Loop]) -> Mapping[str, int | float]:
        left, right, target = node.input(0), node.input(1), node.output()
        options = node.operator.options
        assert isinstance(options, MulOptions)
        if target.dtype == "float32":
            return {
                **broadcast_fields(loops, "operands"),
                **real_output_range(options.activation),
            }
        real = left.scale * right.scale / target.scale
        output_multiplier, output_shift = multiplier(node, real)
        return {
            **broadcast_fields(loops, "operands"),
            "left_offset": -left.zero_point,
            "right_offset": -right.zero_point,
            "output_offset": target.zero_point,
            "output_multiplier": output_multiplier,
            "output_shift": output_shift,
            **output_range(node, target, options.activation),
        }
