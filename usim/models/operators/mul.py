"""MUL of two tensors: int8 or int16, each with its own quantisation, or float32. Or of one of int8
and its own LOGISTIC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tflite

from usim.models import fixed_point
from usim.models.graph import Options, Quantization, TensorSpec
from usim.models.operators.activations import Logistic
from usim.models.operators.axes import Loop
from usim.models.operators.base import KernelCall, Node, read_activation
from usim.models.operators.elementwise import Elementwise, broadcast_fields
from usim.models.operators.lookup import Lookup
from usim.models.operators.scaling import multiplier, output_range, real_output_range
from usim.models.quantization import INT8_MAX, INT8_MIN, FusedActivation


@dataclass(frozen=True, slots=True)
class MulOptions(Options):
    activation: FusedActivation


@dataclass(frozen=True, slots=True)
class GatedOptions(Options):
    """Of x * LOGISTIC(x), with x as the only input: how the LOGISTIC's output is quantised."""

    activation: FusedActivation
    logistic_scale: float = field(repr=False)
    logistic_zero_point: int = field(repr=False)
    times_logistic: bool = True


class Mul(Elementwise):
    kind = "MUL"
    options_type = tflite.BuiltinOptions.MulOptions
    shape_type = "mul_shape"
    real_shape_type = "mul_f32_shape"
    operation = np.multiply

    def read_options(self, union: Any) -> MulOptions:  # noqa: ANN401
        table = tflite.MulOptions()
        table.Init(union.Bytes, union.Pos)
        return MulOptions(read_activation(table.FusedActivationFunction()))

    def lower(self, node: Node) -> KernelCall:
        if isinstance(node.operator.options, GatedOptions):
            return _Gated().lower(node)
        return super().lower(node)

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


class _Gated(Lookup):
    """x * LOGISTIC(x) as the table of what the two operators give, one after the other."""

    kind = "MUL"

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        options = node.operator.options
        assert isinstance(options, GatedOptions)
        quantization = Quantization((options.logistic_scale,), (options.logistic_zero_point,))
        gate = TensorSpec(-1, "gate", source.shape, "int8", quantization)
        scaling = multiplier(node, source.scale * gate.scale / target.scale)
        limits = output_range(node, target, options.activation)
        results = []
        gates = Logistic().results(node, source, gate)
        for value, gated in zip(range(INT8_MIN, INT8_MAX + 1), gates, strict=True):
            product = (value - source.zero_point) * (gated - gate.zero_point)
            scaled = fixed_point.multiply_by_quantized_multiplier(product, *scaling)
            result = fixed_point.add_wrapping(scaled, target.zero_point)
            results.append(min(max(result, limits["activation_min"]), limits["activation_max"]))
        return results
