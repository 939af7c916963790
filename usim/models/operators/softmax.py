"""SOFTMAX over the last axis, int8 to int8."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite

from usim.errors import ModelError
from usim.models import fixed_point
from usim.models.graph import Options
from usim.models.operators.base import KernelCall, NewConstant, Node, Pointer, Recipe
from usim.models.quantization import INT8_MIN, INT32_MAX, quantize_fraction

_INTEGER_BITS = 5
_FRACTION_BITS = 31 - _INTEGER_BITS
_OUTPUT_SCALE = 1 / 256
_DIFFERENCES = 256
"""Between two int8 values, 0 included."""
_MAX_DEPTH = 4095
"""The kernel's sum of exponentials has 12 integer bits."""


@dataclass(frozen=True, slots=True)
class SoftmaxOptions(Options):
    beta: float


class Softmax(Recipe):
    kind = "SOFTMAX"
    options_type = tflite.BuiltinOptions.SoftmaxOptions

    def read_options(self, union: Any) -> SoftmaxOptions:  # noqa: ANN401
        table = tflite.SoftmaxOptions()
        table.Init(union.Bytes, union.Pos)
        beta = float(table.Beta())
        if not math.isfinite(beta) or beta <= 0:
            raise ModelError(f"beta is {beta}; it must be positive and finite")
        return SoftmaxOptions(beta)

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(1, 1)
        options = node.operator.options
        assert isinstance(options, SoftmaxOptions)
        source = node.expect_activation(node.input(0))
        target = node.expect_activation(node.output())
        node.expect_shape(target, source.shape)
        if target.scale != _OUTPUT_SCALE or target.zero_point != INT8_MIN:
            raise node.error(f"{target} must have scale 1/256 and zero point {INT8_MIN}")
        depth = source.shape[-1] if source.shape else 1
        if depth > _MAX_DEPTH:
            raise node.error(f"{source} has rows of {depth}; at most {_MAX_DEPTH} are supported")
        # An input step as Q5. Where it saturates, all but the maximum become 0 in any case.
        step = min(options.beta * source.scale * (1 << _FRACTION_BITS), float(INT32_MAX))
        if step <= 1:
            raise node.error(f"beta {options.beta:g} times the scale of {source} is too small")
        multiplier, left_shift = quantize_fraction(step)
        # Of differences beyond it, TensorFlow Lite takes the exponential to be 0.
        radius = ((1 << _INTEGER_BITS) - 1) * (1 << _FRACTION_BITS) >> left_shift
        exponentials = np.zeros(_DIFFERENCES, np.int32)
        for i in range(min(radius + 1, _DIFFERENCES)):
            difference = fixed_point.multiply_high(-i << left_shift, multiplier)
            exponentials[i] = fixed_point.exp_of_negative(difference, _INTEGER_BITS)
        return KernelCall(
            kernel="softmax",
            shape_type="softmax_shape",
            shape={
                "rows": source.element_count // depth,
                "depth": depth,
            },
            pointers=(
                Pointer("input", "const int8_t", source.index),
                Pointer("exponentials", "const int32_t", NewConstant(exponentials)),
                Pointer("output", "int8_t", target.index),
            ),
            macs=0,
        )
