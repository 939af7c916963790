"""SQUARED_DIFFERENCE of two int8 tensors: the variance of a layer's normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usim.models.operators.axes import Loop
from usim.models.operators.base import Node, NoOptions
from usim.models.operators.elementwise import Elementwise, scaled_fields

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
        real = twice_widest * twice_widest / ((1 << 2 * _HEADROOM_BITS) * target.scale)
        reals = (left.scale / twice_widest, right.scale / twice_widest, real)
        return scaled_fields(node, loops, reals)
