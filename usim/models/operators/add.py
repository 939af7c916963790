"""ADD of two int8 tensors of the same shape, each with its own quantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tflite

from usim.models.graph import Options
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe, read_activation
from usim.models.operators.scaling import multiplier, output_range
from usim.models.quantization import FusedActivation

_HEADROOM_BITS = 20
"""The kernel's ADD_HEADROOM_BITS: precision that the operands gain before they are added."""


@dataclass(frozen=True, slots=True)
class AddOptions(Options):
    activation: FusedActivation


class Add(Recipe):
    kind = "ADD"
    options_type = tflite.BuiltinOptions.AddOptions

    def read_options(self, union: Any) -> AddOptions:  # noqa: ANN401
        table = tflite.AddOptions()
        table.Init(union.Bytes, union.Pos)
        return AddOptions(read_activation(table.FusedActivationFunction()))

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 2)
        options = node.operator.options
        assert isinstance(options, AddOptions)
        left = node.expect_activation(node.input(0))
        right = node.expect_activation(node.input(1))
        target = node.expect_activation(node.output())
        if left.shape != right.shape:
            raise node.error(f"{left} and {right} differ in shape; broadcasting is not supported")
        node.expect_shape(target, left.shape)
        twice_widest = 2 * max(left.scale, right.scale)
        to_output = twice_widest / ((1 << _HEADROOM_BITS) * target.scale)
        if to_output >= 1:
            raise node.error(f"the scale of {target} is too small for that of its operands")
        left_multiplier, left_shift = multiplier(node, left.scale / twice_widest)
        right_multiplier, right_shift = multiplier(node, right.scale / twice_widest)
        output_multiplier, output_shift = multiplier(node, to_output)
        shape = {
            "size": target.element_count,
            "left_offset": -left.zero_point,
            "left_multiplier": left_multiplier,
            "left_shift": left_shift,
            "right_offset": -right.zero_point,
            "right_multiplier": right_multiplier,
            "right_shift": right_shift,
            "output_offset": target.zero_point,
            "output_multiplier": output_multiplier,
            "output_shift": output_shift,
            **output_range(node, target, options.activation),
        }
        return KernelCall(
            kernel="add",
            shape_type="add_shape",
            shape=shape,
            pointers=(
                Pointer("left", "const int8_t", left.index),
                Pointer("right", "const int8_t", right.index),
                Pointer("output", "int8_t", target.index),
            ),
            macs=0,
        )
