"""DEPTH_TO_SPACE and SPACE_TO_DEPTH: blocks of pixels become channels, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import tflite

from usim.errors import ModelError
from usim.models.graph import Options
from usim.models.operators.base import Lowering, Node, Recipe
from usim.models.operators.movement import Axis, Block, copied, strides_of


@dataclass(frozen=True, slots=True)
class BlockOptions(Options):
    block: int


class DepthToSpace(Recipe):
    kind = "DEPTH_TO_SPACE"
    options_type = tflite.BuiltinOptions.DepthToSpaceOptions
    options_table: ClassVar[Any] = tflite.DepthToSpaceOptions

    def read_options(self, union: Any) -> BlockOptions:  # noqa: ANN401
        table = self.options_table()
        table.Init(union.Bytes, union.Pos)
        if table.BlockSize() < 1:
            raise ModelError(f"a block size of {table.BlockSize()}; it must be at least 1")
        return BlockOptions(table.BlockSize())

    def lower(self, node: Node) -> Lowering:
        return _lowered(node, to_space=True)


class SpaceToDepth(DepthToSpace):
    kind = "SPACE_TO_DEPTH"
    options_type = tflite.BuiltinOptions.SpaceToDepthOptions
    options_table = tflite.SpaceToDepthOptions

    def lower(self, node: Node) -> Lowering:
        return _lowered(node, to_space=False)


def _lowered(node: Node, *, to_space: bool) -> Lowering:
    node.expect_arity(1, 1)
    options = node.operator.options
    assert isinstance(options, BlockOptions)
    source, target, block = node.input(0), node.output(), options.block
    deep, wide = (source, target) if to_space else (target, source)
    node.expect_same_type(source, target)
    if len(deep.shape) != 4 or len(wide.shape) != 4:
        raise node.error(f"{source} and {target} must have 4 dimensions")
    batches, height, width, depth = deep.shape
    node.expect_shape(wide, (batches, height * block, width * block, depth // block**2))
    channels = wide.shape[3]
    if channels * block**2 != depth:
        raise node.error(f"{depth} channels do not make a block of {block}x{block} pixels")
    line = strides_of(wide.shape)[1]
    # (extent, stride in the deep tensor, stride in the wide one), outermost first.
    walk = [
        (batches * height, width * depth, block * line),
        (block, block * channels, line),
        (width, depth, block * channels),
        (block * channels, 1, 1),
    ]
    axes = (Axis(n, *((a, b) if to_space else (b, a))) for n, a, b in walk)
    return copied(node, Block(tuple(axes)), source, target)
