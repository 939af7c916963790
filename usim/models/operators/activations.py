"""RELU, RELU6, LEAKY_RELU, HARD_SWISH, LOGISTIC and TANH of int8.

As in TensorFlow Lite Micro: scales in double precision, then integers. Its older versions computed
some of these scales in single precision, which shows in a last bit here and there.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import tflite

from usim.errors import ModelError
from usim.models import fixed_point
from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import Node
from usim.models.operators.lookup import Lookup
from usim.models.operators.scaling import multiplier
from usim.models.quantization import (
    INT8_MAX,
    INT8_MIN,
    FusedActivation,
    activation_range,
    quantize_fraction,
)

_INPUTS = range(INT8_MIN, INT8_MAX + 1)
_MAX_SHIFT = 62
"""Of an input step as Q4: beyond, TensorFlow Lite's own bounds overflow."""


def _scaled(value: int, scaling: tuple[int, int], zero_point: int) -> int:
    product = fixed_point.multiply_by_quantized_multiplier(value, *scaling)
    return fixed_point.add_wrapping(product, zero_point)


class Relu(Lookup):
    kind = "RELU"

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        scaling = multiplier(node, source.scale / target.scale)
        scaled = (
            _scaled(value - source.zero_point, scaling, target.zero_point) for value in _INPUTS
        )
        return [min(max(result, target.zero_point), INT8_MAX) for result in scaled]


class Relu6(Lookup):
    """Stored values between those of 0 and 6 in the input; the output's quantisation is taken to
    be the same, and TensorFlow Lite Micro does not look at it."""

    kind = "RELU6"

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        try:
            lowest, highest = activation_range(
                FusedActivation.RELU6, source.scale, source.zero_point
            )
        except ValueError as exc:
            raise node.error(str(exc)) from exc
        return [min(max(value, lowest), highest) for value in _INPUTS]


@dataclass(frozen=True, slots=True)
class LeakyReluOptions(Options):
    alpha: float


class LeakyRelu(Lookup):
    kind = "LEAKY_RELU"
    options_type = tflite.BuiltinOptions.LeakyReluOptions

    def read_options(self, union: Any) -> LeakyReluOptions:  # noqa: ANN401
        table = tflite.LeakyReluOptions()
        table.Init(union.Bytes, union.Pos)
        alpha = float(table.Alpha())
        if not math.isfinite(alpha):
            raise ModelError(f"alpha is {alpha}; it must be finite")
        return LeakyReluOptions(alpha)

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        options = node.operator.options
        assert isinstance(options, LeakyReluOptions)
        slope = source.scale * options.alpha / target.scale
        identity = multiplier(node, source.scale / target.scale)
        negative = multiplier(node, abs(slope))
        sign = -1 if slope < 0 else 1

        def result(value: int) -> int:
            if value >= 0:
                return _scaled(value, identity, target.zero_point)
            product = fixed_point.multiply_by_quantized_multiplier(value, *negative)
            return fixed_point.add_wrapping(sign * product, target.zero_point)

        return [fixed_point.saturate(result(value - source.zero_point), 8) for value in _INPUTS]


class HardSwish(Lookup):
    """x * relu6(x + 3) / 6 in 16-bit fixed point."""

    kind = "HARD_SWISH"

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        fine_scale = source.scale / 128
        output, output_shift = multiplier(node, fine_scale / target.scale)
        gate, gate_shift = multiplier(node, fine_scale * 32768 / 3)
        if output_shift > 0:
            raise node.error(f"the scale of {target} is less than 1/128 of that of {source}")
        to_output, to_gate = _to_int16(output), _to_int16(gate)

        def result(value: int) -> int:
            fine = value << 7
            scaled = fixed_point.multiply_high(fine, to_output, 16)
            # Truncated towards zero: rounding both products would bias the result.
            product = _gate(fine, to_gate, gate_shift) * abs(scaled) >> 15
            product = product if scaled >= 0 else -product
            rounded = fixed_point.rounding_divide_by_power_of_two(product, -output_shift, 16)
            return fixed_point.wrap(rounded + target.zero_point, 16)

        return [fixed_point.saturate(result(value - source.zero_point), 8) for value in _INPUTS]


def _to_int16(value: int) -> int:
    """A 32-bit multiplier as the nearest 16-bit one."""
    return min((value + (1 << 15)) >> 16, (1 << 15) - 1)


def _gate(fine: int, scaling: int, shift: int) -> int:
    """relu6(x + 3) / 6 as 16 bits, 2^15 standing for 1."""
    value = fixed_point.saturate(fine << max(shift - 1, 0), 16)
    value = fixed_point.multiply_high(value, scaling, 16)
    if shift > 0:
        value = fixed_point.saturate(value << 1, 16)
    if shift < 0:
        value = fixed_point.rounding_divide_by_power_of_two(value, -shift, 16)
    return (value + (1 << 15)) >> 1


class _Saturating(Lookup):
    """A function that reaches -128 and 127 where its argument leaves (-16, 16)."""

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        # An input step as Q4.
        scaling = quantize_fraction(source.scale * (1 << 27))
        if not 0 <= scaling[1] <= _MAX_SHIFT:
            raise node.error(f"the scale of {source} is out of range")
        radius = (15 << 27) >> scaling[1]

        def result(value: int) -> int:
            if value <= -radius:
                return INT8_MIN
            if value >= radius:
                return INT8_MAX
            argument = fixed_point.multiply_by_quantized_multiplier(value, *scaling)
            return fixed_point.saturate(self.function(argument), 8)

        return [result(value - source.zero_point) for value in _INPUTS]

    @abstractmethod
    def function(self, argument: int) -> int:
        """The output for an argument in Q4, not yet clamped."""


class Logistic(_Saturating):
    """The output is taken to have scale 1/256; TensorFlow Lite Micro checks its zero point only."""

    kind = "LOGISTIC"

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        if target.zero_point != INT8_MIN:
            raise node.error(f"{target} must have zero point {INT8_MIN}")
        return super().results(node, source, target)

    def function(self, argument: int) -> int:
        value = fixed_point.logistic_q4(argument)
        return fixed_point.rounding_divide_by_power_of_two(value, 31 - 8) + INT8_MIN


class Tanh(_Saturating):
    """The output is taken to have scale 1/128 and zero point 0, as in TensorFlow Lite Micro."""

    kind = "TANH"

    def function(self, argument: int) -> int:
        return fixed_point.rounding_divide_by_power_of_two(fixed_point.tanh_q4(argument), 31 - 7)
