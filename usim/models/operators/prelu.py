"""PRELU of int8: a leaky rectifier whose slopes are a tensor, mostly one for each channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usim.models.operators.axes import Loop
from usim.models.operators.base import Node, NoOptions
from usim.models.operators.elementwise import Elementwise, broadcast_fields
from usim.models.operators.scaling import multiplier


class Prelu(Elementwise):
    kind = "PRELU"
    options_type = None
    shape_type = "prelu_shape"

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def fields(self, node: Node, loops: list[Loop]) -> Mapping[str, int]:
        source, slopes, target = node.input(0), node.input(1), node.output()
        positive = multiplier(node, source.scale / target.scale)
        negative = multiplier(node, source.scale * slopes.scale / target.scale)
        return {
            **broadcast_fields(loops, "operands"),
            "left_offset": -source.zero_point,
            "right_offset": -slopes.zero_point,
            "output_offset": target.zero_point,
            "positive_multiplier": positive[0],
            "positive_shift": positive[1],
            "negative_multiplier": negative[0],
            "negative_shift": negative[1],
        }
