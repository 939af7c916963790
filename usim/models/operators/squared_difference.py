"""SQUARED_DIFFERENCE of two int8 tensors: the variance of a layer's normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usim.models.operators.axes import Loop
from usim.models.operators.base import Node, NoOptions
from usim.models.operators.elementwise import Elementwise, broadcast_fields
from usim.models.operators.scaling import multiplier

_HEADROOM_BITS = 7
"""The kernel's SQUARED_DIFFERENCE_HEADROOM_BITS."""


class SquaredDifference(Elementwise):
    kind = "SQUARED_DIFFERENCE"
    options_type = None
    shape_type = "squared_difference_shape"

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def fields(self, node: Node, loops: list[Loop]) -> Mapping[str, int]:
        left, right, target = node.input(0), node.input(1), node.output()
        twice_widest = 2 * max(left.scale, right.scale)
        left_multiplier, left_shift = multiplier(node, left.scale / twice_widest)
        right_multiplier, right_shift = multiplier(node, right.scale / twice_widest)
        real = twice_widest * twice_widest / ((1 << 2 * _HEADROOM_BITS) * target.scale)
        if real >= 1:
            raise node.error(f"the scale of {target} is too small for that of its operands")
        output_multiplier, output_shift = multiplier(node, real)
        return {
            **broadcast_fields(loops, "operands"),
            "left_offset": -left.zero_point,
            "left_multiplier": left_multiplier,
            "left_shift": left_shift,
            "right_offset": -right.zero_point,
            "right_multiplier": right_multiplier,
            "right_shift": right_shift,
            "output_offset": target.zero_point,
            "output_multiplier": output_multiplier,
            "output_shift": output_shift,
        }
