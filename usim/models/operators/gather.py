"""GATHER: rows of a tensor of any type, named by indices: a table of embeddings, for one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.errors import ModelError
from usim.models.graph import ITEM_BYTES, Options
from usim.models.operators.base import (
    KernelSequence,
    Node,
    Recipe,
    Step,
    source_pointer,
    target_pointer,
)
from usim.models.operators.movement import positive_axis


@dataclass(frozen=True, slots=True)
class GatherOptions(Options):
    axis: int


class Gather(Recipe):
    kind = "GATHER"
    options_type = tflite.BuiltinOptions.GatherOptions

    def read_options(self, union: Any) -> GatherOptions:  # noqa: ANN401
        table = tflite.GatherOptions()
        table.Init(union.Bytes, union.Pos)
        if table.BatchDims():
            raise ModelError(f"batch_dims is {table.BatchDims()}; only 0 is supported")
        return GatherOptions(table.Axis())

    def lower(self, node: Node) -> KernelSequence:
        source, target, indices = node.input(0), node.output(), node.input(1)
        axis = self._axis(node)
        node.expect_same_type(source, target)
        if indices.dtype != "int32":
            raise node.error(f"the indices, {indices}, must be int32")
        if indices.data is not None:
            lowest, highest = int(indices.data.min()), int(indices.data.max())
            if lowest < 0 or highest >= source.shape[axis]:
                raise node.error(
                    f"indices from {lowest} to {highest} of an extent of {source.shape[axis]}"
                )
        inner = source.shape[axis + 1 :]
        node.expect_shape(target, (*source.shape[:axis], *indices.shape, *inner))
        step = Step(
            kernel="gather",
            function="gather",
            shape_type="gather_shape",
            shape={
                "outer": math.prod(source.shape[:axis]),
                "extent": source.shape[axis],
                "count": indices.element_count,
                "run": math.prod(inner) * ITEM_BYTES[source.dtype],
            },
            arguments=("input", "indices", "output"),
        )
        pointers = (
            source_pointer(source),
            source_pointer(indices, "indices"),
            target_pointer(target),
        )
        return KernelSequence(name="gather", steps=(step,), pointers=pointers)

    def fold(self, node: Node) -> npt.NDArray[Any] | None:
        data, indices = node.input(0).data, node.input(1).data
        if data is None or indices is None:
            return None
        try:
            return np.take(data, indices, self._axis(node))
        except IndexError as exc:
            raise node.error(str(exc)) from exc

    def _axis(self, node: Node) -> int:
        node.expect_arity(2, 2)
        options = node.operator.options
        assert isinstance(options, GatherOptions)
        return positive_axis(node, options.axis, len(node.input(0).shape))
