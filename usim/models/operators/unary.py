"""ABS, ELU and RSQRT of int8."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np

from usim.models import fixed_point
from usim.models.graph import TensorSpec
from usim.models.operators.base import Node
from usim.models.operators.lookup import Lookup
from usim.models.operators.scaling import multiplier
from usim.models.quantization import INT8_MAX, INT8_MIN, round_half_away

_INPUTS = range(INT8_MIN, INT8_MAX + 1)
_RSQRT_BITS = 20
"""Of precision that a reciprocal root has before it is scaled."""
_STEPS_LIMIT = 2.0**30


class Abs(Lookup):
    kind = "ABS"

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        scaling = multiplier(node, source.scale / target.scale)

        def result(value: int) -> int:
            if source.scale != target.scale:
                value = fixed_point.multiply_by_quantized_multiplier(value, *scaling)
            return fixed_point.add_wrapping(value, target.zero_point)

        magnitudes = (abs(value - source.zero_point) for value in _INPUTS)
        return [fixed_point.saturate(result(value), 8) for value in magnitudes]


class Rsqrt(Lookup):
    kind = "RSQRT"

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        # In double precision and in this order, as TensorFlow Lite Micro has it.
        scaling = multiplier(node, 1.0 / (math.sqrt(source.scale) * target.scale))
        scaling = scaling[0], scaling[1] - _RSQRT_BITS

        def result(value: int) -> int:
            if value <= 0:
                return INT8_MAX
            root, shift = fixed_point.inverse_square_root(value)
            fine = fixed_point.multiply_by_quantized_multiplier(1, root, shift + _RSQRT_BITS)
            scaled = fixed_point.multiply_by_quantized_multiplier(fine, *scaling)
            return fixed_point.saturate(fixed_point.add_wrapping(scaled, target.zero_point), 8)

        return [result(value - source.zero_point) for value in _INPUTS]


class _Float(Lookup):
    """A function computed in single precision, from the real input to the real output."""

    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        with np.errstate(over="ignore"):
            inverse = np.float32(1) / np.float32(target.scale)
            if not np.isfinite(inverse):
                raise node.error(f"the scale of {target} is out of range")
            return [self._result(value, source, target, inverse) for value in _INPUTS]

    def _result(
        self, value: int, source: TensorSpec, target: TensorSpec, inverse: np.float32
    ) -> int:
        real = np.float32(source.scale) * np.float32(value - source.zero_point)
        steps = float(np.float32(self.function(float(real))) * inverse)
        rounded = round_half_away(min(max(steps, -_STEPS_LIMIT), _STEPS_LIMIT)) + target.zero_point
        return fixed_point.saturate(rounded, 8)

    @abstractmethod
    def function(self, real: float) -> float:
        """The function itself, rounded to single precision where TensorFlow Lite Micro rounds."""


class Elu(_Float):
    kind = "ELU"

    def function(self, real: float) -> float:
        return real if real >= 0 else float(np.float32(np.exp(real)) - np.float32(1))
