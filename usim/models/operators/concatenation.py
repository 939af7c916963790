"""CONCATENATION and SPLIT: tensors of any type side by side, in one or as several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import tflite

from usim.errors import ModelError
from usim.models.graph import ITEM_BYTES, Options, TensorSpec
from usim.models.operators.base import (
    Alias,
    KernelSequence,
    Node,
    Recipe,
    read_activation,
    source_pointer,
    target_pointer,
)
from usim.models.operators.movement import Axis, Block, copy_step, positive_axis
from usim.models.quantization import FusedActivation


@dataclass(frozen=True, slots=True)
class ConcatenationOptions(Options):
    axis: int


class Concatenation(Recipe):
    """As TensorFlow Lite Micro, and unlike TensorFlow Lite, it copies stored values: inputs whose
    scale or zero point is not the output's are not requantised."""

    kind = "CONCATENATION"
    options_type = tflite.BuiltinOptions.ConcatenationOptions

    def read_options(self, union: Any) -> ConcatenationOptions:  # noqa: ANN401
        table = tflite.ConcatenationOptions()
        table.Init(union.Bytes, union.Pos)
        if read_activation(table.FusedActivationFunction()) is not FusedActivation.NONE:
            raise ModelError("a fused activation is not supported")
        return ConcatenationOptions(table.Axis())

    def lower(self, node: Node) -> KernelSequence:
        count = max(len(node.operator.inputs), 1)
        node.expect_arity(count, count)
        options = node.operator.options
        assert isinstance(options, ConcatenationOptions)
        target = node.output()
        axis = positive_axis(node, options.axis, len(target.shape))
        pieces = [node.input(position) for position in range(count)]
        starts = _starts(node, target, pieces, axis)
        names = [f"input_{position}" for position in range(count)]
        row = math.prod(target.shape[axis:])
        return KernelSequence(
            name="concatenation",
            steps=tuple(
                copy_step(
                    node,
                    Block(_rows(piece, axis, (_row(piece, axis), row)), 0, start),
                    piece.dtype,
                    (name, "output"),
                )
                for piece, start, name in zip(pieces, starts, names, strict=True)
            ),
            pointers=(
                *(source_pointer(*pair) for pair in zip(pieces, names, strict=True)),
                target_pointer(target),
            ),
            views=_views(target, pieces, starts, axis),
        )


@dataclass(frozen=True, slots=True)
class SplitOptions(Options):
    count: int


class Split(Recipe):
    """Into equal parts."""

    kind = "SPLIT"
    options_type = tflite.BuiltinOptions.SplitOptions

    def read_options(self, union: Any) -> SplitOptions:  # noqa: ANN401
        table = tflite.SplitOptions()
        table.Init(union.Bytes, union.Pos)
        if table.NumSplits() < 1:
            raise ModelError(f"{table.NumSplits()} parts; there must be at least 1")
        return SplitOptions(table.NumSplits())

    def lower(self, node: Node) -> KernelSequence:
        options = node.operator.options
        assert isinstance(options, SplitOptions)
        node.expect_arity(2, 2, outputs=options.count)
        source = node.input(1)
        axis = positive_axis(node, node.constant_integers(0, 1)[0], len(source.shape))
        pieces = [node.output(position) for position in range(options.count)]
        if any(piece.shape != pieces[0].shape for piece in pieces):
            raise node.error("its outputs differ in shape")
        starts = _starts(node, source, pieces, axis)
        names = [f"output_{position}" for position in range(options.count)]
        row = math.prod(source.shape[axis:])
        return KernelSequence(
            name="split",
            steps=tuple(
                copy_step(
                    node,
                    Block(_rows(piece, axis, (row, _row(piece, axis))), start, 0),
                    piece.dtype,
                    ("input", name),
                )
                for piece, start, name in zip(pieces, starts, names, strict=True)
            ),
            pointers=(
                source_pointer(source),
                *(target_pointer(*pair) for pair in zip(pieces, names, strict=True)),
            ),
            outputs=options.count,
            views=_views(source, pieces, starts, axis),
        )


def _row(tensor: TensorSpec, axis: int) -> int:
    return math.prod(tensor.shape[axis:])


def _rows(piece: TensorSpec, axis: int, strides: tuple[int, int]) -> tuple[Axis, ...]:
    """A piece as rows of all that lies along and inside `axis`; strides of input and output."""
    return (Axis(math.prod(piece.shape[:axis]), *strides), Axis(_row(piece, axis), 1, 1))


def _views(
    whole: TensorSpec, pieces: list[TensorSpec], starts: list[int], axis: int
) -> tuple[Alias, ...]:
    """The pieces as parts of the whole, if each is one run of it."""
    if math.prod(whole.shape[:axis]) > 1:
        return ()
    size = ITEM_BYTES[whole.dtype]
    return tuple(
        Alias(whole.index, piece.index, start * size)
        for piece, start in zip(pieces, starts, strict=True)
    )


def _starts(node: Node, whole: TensorSpec, pieces: list[TensorSpec], axis: int) -> list[int]:
    """Where in a row of `whole` each piece begins, in elements; the pieces must make it up."""
    starts, position = [], 0
    inner = math.prod(whole.shape[axis + 1 :])
    for piece in pieces:
        node.expect_same_type(piece, whole)
        fits = len(piece.shape) == len(whole.shape)
        if not fits or piece.shape[:axis] != whole.shape[:axis]:
            raise node.error(f"{piece} is no part of {whole} along dimension {axis}")
        if piece.shape[axis + 1 :] != whole.shape[axis + 1 :]:
            raise node.error(f"{piece} is no part of {whole} along dimension {axis}")
        starts.append(position * inner)
        position += piece.shape[axis]
    if position != whole.shape[axis]:
        raise node.error(f"its parts make up {position} of dimension {axis} of {whole}")
    return starts
