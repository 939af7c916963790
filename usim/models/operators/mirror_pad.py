"""MIRROR_PAD: a border that repeats the tensor's own elements, mirrored at its edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
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
    """`count` indices: from `source` on, by `step`, to `target` and the following ones."""

    source: int
    target: int
    count: int
    step: int


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
        parts = product(
            *(
                list(_spans(extent, pair, int(options.symmetric)))
                for extent, pair in zip(source.shape, pairs, strict=True)
            )
        )
        strides = list(zip(strides_of(source.shape), strides_of(target.shape), strict=True))
        return KernelSequence(
            name="mirror_pad",
            steps=tuple(
                copy_step(node, _block(part, strides), source.dtype, ("input", "output"))
                for part in parts
            ),
            pointers=(source_pointer(source), target_pointer(target)),
        )


def _spans(extent: int, border: tuple[int, int], edge: int) -> Iterator[_Span]:
    before, after = border
    if before:
        yield _Span(before - edge, 0, before, -1)
    yield _Span(0, before, extent, 1)
    if after:
        yield _Span(extent - 2 + edge, before + extent, after, -1)


def _block(part: tuple[_Span, ...], strides: list[tuple[int, int]]) -> Block:
    spans = list(zip(part, strides, strict=True))
    return Block(
        tuple(Axis(span.count, span.step * inner, outer) for span, (inner, outer) in spans),
        sum(span.source * inner for span, (inner, _) in spans),
        sum(span.target * outer for span, (_, outer) in spans),
    )
