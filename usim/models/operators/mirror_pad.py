"""MIRROR_PAD: a border that repeats the tensor's own elements, mirrored at its edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import mul
from typing import Any

import tflite

from usim.errors import ModelError
from usim.models.graph import Options
from usim.models.operators.base import KernelSequence, Node, Recipe, source_pointer, target_pointer
from usim.models.operators.movement import Axis, Block, copy_step, strides_of


@dataclass(frozen=True, slots=True)
class MirrorPadOptions(Options):
    """`symmetric`: the edge itself is repeated, too."""

    symmetric: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """`count` indices: from `source` on, downwards, to `target` and the following ones."""

    source: int
    target: int
    count: int


class MirrorPad(Recipe):
    kind = "MIRROR_PAD"
    options_type = tflite.BuiltinOptions.MirrorPadOptions

    def read_options(self, union: Any) -> MirrorPadOptions:  # noqa: ANN401
        table = tflite.MirrorPadOptions()
        table.Init(union.Bytes, union.Pos)
        if table.Mode() not in (0, 1):
            raise ModelError(f"mode {table.Mode()} is not supported (have: REFLECT, SYMMETRIC)")
        return MirrorPadOptions(table.Mode() == tflite.MirrorPadMode.SYMMETRIC)

    def lower(self, node: Node) -> KernelSequence:
        node.expect_arity(2, 2)
        options = node.operator.options
        assert isinstance(options, MirrorPadOptions)
        source, target = node.input(0), node.output()
        node.expect_same_type(source, target)
        borders = node.constant_integers(1, 2 * len(source.shape))
        pairs = list(zip(borders[::2], borders[1::2], strict=True))
        for extent, pair in zip(source.shape, pairs, strict=True):
            if min(pair) < 0 or max(pair) > extent - (not options.symmetric):
                raise node.error(f"borders of {pair} around an extent of {extent}")
        extents = zip(source.shape, pairs, strict=True)
        node.expect_shape(target, tuple(extent + sum(pair) for extent, pair in extents))
        inside = tuple(pair[0] for pair in pairs)
        inner, outer = strides_of(source.shape), strides_of(target.shape)
        whole = Block(
            tuple(map(Axis, source.shape, inner, outer)),
            output_start=sum(map(mul, inside, outer)),
        )
        # Borders come out of the output itself, the last axis first: those of an axis take along
        # the borders that the axes behind it have by then.
        borders_of = (
            _border(span, axis, source.shape, target.shape, inside)
            for axis in reversed(range(len(pairs)))
            for span in _spans(source.shape[axis], pairs[axis], int(options.symmetric))
        )
        return KernelSequence(
            name="mirror_pad",
            steps=(
                copy_step(node, whole, source.dtype, ("input", "output")),
                *(copy_step(node, b, source.dtype, ("output", "output")) for b in borders_of),
            ),
            pointers=(source_pointer(source), target_pointer(target)),
        )


def _spans(extent: int, border: tuple[int, int], edge: int) -> Iterator[_Span]:
    """Both borders of an axis, in indices of the output."""
    before, after = border
    if before:
        yield _Span(2 * before - edge, 0, before)
    if after:
        yield _Span(before + extent - 2 + edge, before + extent, after)


def _border(
    span: _Span,
    axis: int,
    source: tuple[int, ...],
    target: tuple[int, ...],
    inside: tuple[int, ...],
) -> Block:
    """One border, beside the source's own elements along the axes before, of all behind."""
    strides = strides_of(target)
    start = sum(map(mul, inside[:axis], strides))
    stride = strides[axis]
    return Block(
        (
            *map(Axis, source[:axis], strides[:axis], strides[:axis]),
            Axis(span.count, -stride, stride),
            *map(Axis, target[axis + 1 :], strides[axis + 1 :], strides[axis + 1 :]),
        ),
        start + span.source * stride,
        start + span.target * stride,
    )
