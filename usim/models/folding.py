"""Replaces by constants what operators compute of shapes and constants alone.

Converters leave such operators behind: where the batch size is free in the trained network, the
new shape of a Flatten or Reshape comes from SHAPE, STRIDED_SLICE and PACK.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from usim.errors import ModelError
from usim.models.graph import Graph, Operator, TensorSpec, Unsupported
from usim.models.operators import OPERATORS
from usim.models.operators.base import Node

_TYPES: Final = ("int32", "int64")
_MAX_ELEMENTS: Final = 1024
"""Of shapes, axes and indices; weights that the converter has not folded stay on the chip."""


def fold(graph: Graph) -> Graph:
    """The graph with fewer operators to run: those that are folded have no inputs any more.

    What cannot be folded is left as it is, for `lower` to say why.
    """
    tensors = list(graph.tensors)
    operators: list[Operator] = []
    for operator in graph.operators:
        value = _value(graph, tensors, operator)
        if value is None:
            operators.append(operator)
            continue
        value.setflags(write=False)
        output = operator.outputs[0]
        tensors[output] = replace(tensors[output], data=value)
        operators.append(replace(operator, inputs=(), folded=True))
    return replace(graph, tensors=tuple(tensors), operators=tuple(operators))


def _value(
    graph: Graph, tensors: Sequence[TensorSpec], operator: Operator
) -> npt.NDArray[Any] | None:
    if not _foldable(graph, tensors, operator):
        return None
    try:
        with np.errstate(over="ignore"):  # wraps, as on the chip
            value = OPERATORS[operator.kind].fold(Node(graph, operator, tensors))
    except (ModelError, ValueError):  # the latter by numpy, for shapes that do not fit
        return None
    output = tensors[operator.outputs[0]]
    if value is None or value.shape != output.shape or value.dtype != output.dtype:
        return None
    return np.require(value, requirements=["C", "O"])


def _foldable(graph: Graph, tensors: Sequence[TensorSpec], operator: Operator) -> bool:
    """Whether the operator has one small output of integers, and all that it computes that from."""
    if isinstance(operator.options, Unsupported) or len(operator.outputs) != 1:
        return False
    output = tensors[operator.outputs[0]]
    if output.dtype not in _TYPES or output.element_count > _MAX_ELEMENTS:
        return False
    if output.index in graph.outputs or output.variable:
        return False
    return operator.kind == "SHAPE" or (
        bool(operator.inputs) and all(_is_small(tensors, index) for index in operator.inputs)
    )


def _is_small(tensors: Sequence[TensorSpec], index: int) -> bool:
    # Also as a bound: an outer sum's or a gather's elements are two inputs' multiplied.
    return (
        index >= 0
        and tensors[index].data is not None
        and tensors[index].element_count <= _MAX_ELEMENTS
    )
