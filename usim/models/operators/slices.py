"""SLICE and STRIDED_SLICE: a part of a tensor of any type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.errors import ModelError
from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import Lowering, Node, NoOptions, Recipe
from usim.models.operators.movement import Axis, Block, copied, strides_of


@dataclass(frozen=True, slots=True)
class Span:
    """`count` indices along one axis: start, start + step ..."""

    start: int
    count: int
    step: int = 1


class Slice(Recipe):
    kind = "SLICE"
    options_type = None

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def lower(self, node: Node) -> Lowering:
        node.expect_arity(3, 3)
        source, target = node.input(0), node.output()
        rank = len(source.shape)
        spans = []
        starts, sizes = node.constant_integers(1, rank), node.constant_integers(2, rank)
        for extent, start, size in zip(source.shape, starts, sizes, strict=True):
            count = extent - start if size == -1 else size
            if start < 0 or count < 1 or start + count > extent:
                raise node.error(f"{count} from {start} is not inside an extent of {extent}")
            spans.append(Span(start, count))
        node.expect_shape(target, tuple(span.count for span in spans))
        return _picked(node, source, target, spans)


@dataclass(frozen=True, slots=True)
class StridedSliceOptions(Options):
    """Masks with a bit for each axis: `begin`, `end` left open, and `shrink` to a single index."""

    begin_mask: int
    end_mask: int
    shrink_mask: int


class StridedSlice(Recipe):
    kind = "STRIDED_SLICE"
    options_type = tflite.BuiltinOptions.StridedSliceOptions

    def read_options(self, union: Any) -> StridedSliceOptions:  # noqa: ANN401
        table = tflite.StridedSliceOptions()
        table.Init(union.Bytes, union.Pos)
        if table.EllipsisMask() or table.NewAxisMask() or table.Offset():
            raise ModelError("ellipsis_mask, new_axis_mask and offset are not supported")
        return StridedSliceOptions(table.BeginMask(), table.EndMask(), table.ShrinkAxisMask())

    def lower(self, node: Node) -> Lowering:
        source, target = node.input(0), node.output()
        spans, shape = self._spans(node)
        node.expect_shape(target, shape)
        return _picked(node, source, target, spans)

    def fold(self, node: Node) -> npt.NDArray[Any] | None:
        data = node.input(0).data
        assert data is not None
        spans, shape = self._spans(node)
        picked = np.ix_(*(range(s.start, s.start + s.count * s.step, s.step) for s in spans))
        return data[picked].reshape(shape)

    def _spans(self, node: Node) -> tuple[list[Span], tuple[int, ...]]:
        """What is taken along each axis, and the output's shape."""
        node.expect_arity(4, 4)
        options = node.operator.options
        assert isinstance(options, StridedSliceOptions)
        source = node.input(0)
        rank = len(source.shape)
        bounds = [node.constant_integers(position, rank) for position in (1, 2, 3)]
        spans, shape = [], []
        for axis, (begin, end, step) in enumerate(zip(*bounds, strict=True)):
            extent, bit = source.shape[axis], 1 << axis
            if step == 0 or (step < 0 and options.shrink_mask & bit):
                raise node.error(f"a stride of {step} along dimension {axis}")
            start = _bound(None if options.begin_mask & bit else begin, extent, step, first=True)
            stop = _bound(None if options.end_mask & bit else end, extent, step, first=False)
            count = 1 if options.shrink_mask & bit else -((start - stop) // step)
            if count < 1 or not 0 <= start < extent:
                raise node.error(f"nothing is left of dimension {axis} of {source}")
            spans.append(Span(start, count, step))
            if not options.shrink_mask & bit:
                shape.append(count)
        return spans, tuple(shape)


def _bound(index: int | None, extent: int, step: int, *, first: bool) -> int:
    """An end of a range as numpy's slices have it; None for one that is left open."""
    lowest, highest = (0, extent) if step > 0 else (-1, extent - 1)
    if index is None:
        return lowest if first == (step > 0) else highest
    return min(max(index + extent if index < 0 else index, lowest), highest)


def _picked(node: Node, source: TensorSpec, target: TensorSpec, spans: list[Span]) -> Lowering:
    node.expect_same_type(source, target)
    input_strides = strides_of(source.shape)
    output_strides = strides_of([span.count for span in spans])
    axes = tuple(
        Axis(span.count, span.step * input_stride, output_stride)
        for span, input_stride, output_stride in zip(
            spans, input_strides, output_strides, strict=True
        )
    )
    starts = (span.start * stride for span, stride in zip(spans, input_strides, strict=True))
    return copied(node, Block(axes, input_start=sum(starts)), source, target)
