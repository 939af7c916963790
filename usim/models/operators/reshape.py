"""RESHAPE, SQUEEZE and EXPAND_DIMS: the same bytes under another shape, so mostly no code."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from usim.models.operators.base import Lowering, Node, NoOptions, Recipe
from usim.models.operators.movement import renamed


class Reshape(Recipe):
    """The new shape is the output tensor's; what else says so (a shape, axes) is not looked at."""

    kind = "RESHAPE"
    options_type = None

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def lower(self, node: Node) -> Lowering:
        node.expect_arity(1, 2)
        return renamed(node, node.input(0), node.output())

    def fold(self, node: Node) -> npt.NDArray[Any] | None:
        data = node.input(0).data
        assert data is not None
        return data.reshape(node.output().shape)


class Squeeze(Reshape):
    kind = "SQUEEZE"


class ExpandDims(Reshape):
    kind = "EXPAND_DIMS"
