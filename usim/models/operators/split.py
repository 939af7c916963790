"""SPLIT, SPLIT_V and UNPACK: a tensor of any type taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import tflite

from usim.errors import ModelError
from usim.models.graph import Options
from usim.models.operators.base import KernelSequence, Node, Recipe
from usim.models.operators.movement import positive_axis
from usim.models.operators.parts import parted


@dataclass(frozen=True, slots=True)
class SplitOptions(Options):
    """`axis` is None where a tensor says so."""

    count: int
    axis: int | None = None


class CountedSplit(Recipe):
    """Either operator whose options say into how many parts."""

    options_table: ClassVar[Any]

    def read_options(self, union: Any) -> SplitOptions:  # noqa: ANN401
        table = self.options_table()
        table.Init(union.Bytes, union.Pos)
        return SplitOptions(_checked(table.NumSplits()))


class Split(CountedSplit):
    """Into equal parts."""

    kind = "SPLIT"
    options_type = tflite.BuiltinOptions.SplitOptions
    options_table = tflite.SplitOptions

    def lower(self, node: Node) -> KernelSequence:
        count = _options(node).count
        node.expect_arity(2, 2, outputs=count)
        source = node.input(1)
        axis = positive_axis(node, node.constant_integers(0, 1)[0], len(source.shape))
        pieces = [node.output(position) for position in range(count)]
        if any(piece.shape != pieces[0].shape for piece in pieces):
            raise node.error("its outputs differ in shape")
        if len(pieces[0].shape) != len(source.shape):
            raise node.error(f"its outputs have not as many dimensions as {source}")
        return parted(node, source, pieces, axis)


class SplitV(CountedSplit):
    """Into parts of given extents; one of them may be -1, the rest."""

    kind = "SPLIT_V"
    options_type = tflite.BuiltinOptions.SplitVOptions
    options_table = tflite.SplitVOptions

    def lower(self, node: Node) -> KernelSequence:
        count = _options(node).count
        node.expect_arity(3, 3, outputs=count)
        source = node.input(0)
        axis = positive_axis(node, node.constant_integers(2, 1)[0], len(source.shape))
        pieces = [node.output(position) for position in range(count)]
        for piece, extent in zip(pieces, node.constant_integers(1, count), strict=True):
            if len(piece.shape) != len(source.shape) or extent not in (-1, piece.shape[axis]):
                raise node.error(f"{piece} is not {extent} of dimension {axis} of {source}")
        return parted(node, source, pieces, axis)


class Unpack(Recipe):
    """Into its single indices along an axis, which is gone afterwards."""

    kind = "UNPACK"
    options_type = tflite.BuiltinOptions.UnpackOptions

    def read_options(self, union: Any) -> SplitOptions:  # noqa: ANN401
        table = tflite.UnpackOptions()
        table.Init(union.Bytes, union.Pos)
        return SplitOptions(_checked(table.Num()), table.Axis())

    def lower(self, node: Node) -> KernelSequence:
        options = _options(node)
        node.expect_arity(1, 1, outputs=options.count)
        source = node.input(0)
        assert options.axis is not None
        axis = positive_axis(node, options.axis, len(source.shape))
        pieces = [node.output(position) for position in range(options.count)]
        if any(len(piece.shape) + 1 != len(source.shape) for piece in pieces):
            raise node.error(f"its outputs have not one dimension less than {source}")
        return parted(node, source, pieces, axis)


def _checked(count: int) -> int:
    if count < 1:
        raise ModelError(f"{count} parts; there must be at least 1")
    return count


def _options(node: Node) -> SplitOptions:
    options = node.operator.options
    assert isinstance(options, SplitOptions)
    return options
