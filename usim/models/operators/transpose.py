"""TRANSPOSE: the axes in another order, of any type."""

from __future__ import annotations

from typing import Any

from usim.models.operators.base import Lowering, Node, NoOptions, Recipe
from usim.models.operators.movement import Axis, Block, copied, strides_of


class Transpose(Recipe):
    kind = "TRANSPOSE"
    options_type = None

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def lower(self, node: Node) -> Lowering:
        node.expect_arity(2, 2)
        source, target = node.input(0), node.output()
        node.expect_same_type(source, target)
        order = node.constant_integers(1, len(source.shape))
        if sorted(order) != list(range(len(source.shape))):
            raise node.error(f"{list(order)} is no order of the axes of {source}")
        node.expect_shape(target, tuple(source.shape[axis] for axis in order))
        input_strides = strides_of(source.shape)
        axes = tuple(
            Axis(extent, input_strides[axis], output_stride)
            for axis, extent, output_stride in zip(
                order, target.shape, strides_of(target.shape), strict=True
            )
        )
        return copied(node, Block(axes), source, target)
