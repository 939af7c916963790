"""RESHAPE: the same bytes under another shape, so no code at all."""

from __future__ import annotations

from typing import Any

from usim.models.graph import Options
from usim.models.operators.base import Alias, Node, Recipe


class ReshapeOptions(Options):
    """Nothing: the new shape is the output tensor's."""

    __slots__ = ()


class Reshape(Recipe):
    kind = "RESHAPE"
    options_type = None

    def read_options(self, union: Any) -> ReshapeOptions:  # noqa: ANN401
        return ReshapeOptions()

    def lower(self, node: Node) -> Alias:
        node.expect_arity(1, 2)
        source, target = node.input(0), node.output()
        if source.data is not None:
            raise node.error(f"{source} is a constant; fold it when you convert the model")
        if source.element_count != target.element_count or source.dtype != target.dtype:
            raise node.error(f"{source} does not become {target}")
        return Alias(source=source.index, target=target.index)
