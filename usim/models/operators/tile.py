"""TILE: a tensor of any type repeated along its axes, as Keras enlarges pictures.

TensorFlow Lite Micro has no such operator; this is TensorFlow Lite's.
"""

from __future__ import annotations

from typing import Any

from usim.models.operators.base import Lowering, Node, NoOptions, Recipe
from usim.models.operators.movement import Axis, Block, copied, strides_of


class Tile(Recipe):
    kind = "TILE"
    options_type = None

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def lower(self, node: Node) -> Lowering:
        node.expect_arity(2, 2)
        source, target = node.input(0), node.output()
        node.expect_same_type(source, target)
        counts = node.constant_integers(1, len(source.shape))
        if min(counts, default=1) < 1:
            raise node.error(f"it repeats {list(counts)} times; at least once is needed")
        pairs = zip(source.shape, counts, strict=True)
        node.expect_shape(target, tuple(extent * count for extent, count in pairs))
        axes: list[Axis] = []
        strides = zip(strides_of(source.shape), strides_of(target.shape), strict=True)
        for extent, count, (inner, outer) in zip(source.shape, counts, strides, strict=True):
            axes += [Axis(count, 0, extent * outer), Axis(extent, inner, outer)]
        return copied(node, Block(tuple(axes)), source, target)
