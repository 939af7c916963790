"""ADD and SUB of two int8 tensors, each with its own quantisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tflite

from usim.models.graph import Options
from usim.models.operators.axes import Loop
from usim.models.operators.base import Node, read_activation
from usim.models.operators.elementwise import Elementwise, scaled_fields
from usim.models.operators.scaling import output_range
from usim.models.quantization import FusedActivation

_HEADROOM_BITS = 20
"""The kernel's SCALED_SUM_HEADROOM_BITS: precision that the operands gain before they are added."""


@dataclass(frozen=True, slots=True)
class SumOptions(Options):
    activation: FusedActivation


class ScaledSum(Elementwise):
    """Either operator; they differ in the kernel's sign."""

    shape_type = "scaled_sum_shape"
    options_table: ClassVar[Any]

    def read_options(self, union: Any) -> SumOptions:  # noqa: ANN401
        table = self.options_table()
        table.Init(union.Bytes, union.Pos)
        return SumOptions(read_activation(table.FusedActivationFunction()))

    def fields(self, node: Node, loops: list[Loop]) -> Mapping[str, int]:
        left, right, target = node.input(0), node.input(1), node.output()
        options = node.operator.options
        assert isinstance(options, SumOptions)
        reals = _real_multipliers(left.scale, right.scale, target.scale)
        return {
            **scaled_fields(node, loops, reals),
            **output_range(node, target, options.activation),
        }


class Add(ScaledSum):
    kind = "ADD"
    options_type = tflite.BuiltinOptions.AddOptions
    options_table = tflite.AddOptions
    operation = np.add


class Sub(ScaledSum):
    kind = "SUB"
    options_type = tflite.BuiltinOptions.SubOptions
    options_table = tflite.SubOptions
    operation = np.subtract


def _real_multipliers(left: float, right: float, output: float) -> tuple[float, float, float]:
    """The factors of left, right and output. In double precision, as TensorFlow Lite Micro has it
    (for SUB, older versions computed them in single precision)."""
    twice_widest = 2 * max(left, right)
    to_output = twice_widest / ((1 << _HEADROOM_BITS) * output)
    return left / twice_widest, right / twice_widest, to_output
