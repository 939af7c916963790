"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: what converters put around a dilated convolution.

Every block-th row and column of an image becomes an image of its own, in the batch; and back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from usim.models.graph import TensorSpec
from usim.models.operators.base import (
    KernelSequence,
    Node,
    NoOptions,
    Recipe,
    Step,
    source_pointer,
    target_pointer,
)
from usim.models.operators.movement import Axis, Block, copy_step, strides_of
from usim.models.operators.pad import fill_step

_MAX_PHASES = 64
"""Images that one becomes: each is a copy of its own."""


@dataclass(frozen=True, slots=True)
class _Spread:
    """One axis: index b of the batch's images holds the whole's positions b + i * block - before.

    `whole` and `part` are the extents on either side.
    """

    whole: int
    part: int
    block: int
    before: int

    def span(self, phase: int) -> tuple[int, int, int]:
        """What image `phase` shares with the whole: first index in both, and how many."""
        first = max(-(-(self.before - phase) // self.block), 0)
        last = min((self.whole - 1 + self.before - phase) // self.block, self.part - 1)
        return phase + first * self.block - self.before, first, max(last - first + 1, 0)


class SpaceToBatchNd(Recipe):
    """The border is the output's zero point, as in TensorFlow Lite. TensorFlow Lite Micro means the
    same, but never sets the field that it takes the value from."""

    kind = "SPACE_TO_BATCH_ND"
    options_type = None

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def lower(self, node: Node) -> KernelSequence:
        node.expect_arity(3, 3)
        whole, parts = node.input(0), node.output()
        spreads = _spreads(node, whole, parts)
        steps = list(_copies(node, whole, parts, spreads, to_parts=True))
        if any(node.constant_integers(2, 2 * len(spreads))):
            steps.insert(0, fill_step(node, parts))
        return _sequence(node, steps)


class BatchToSpaceNd(SpaceToBatchNd):
    kind = "BATCH_TO_SPACE_ND"

    def lower(self, node: Node) -> KernelSequence:
        node.expect_arity(3, 3)
        parts, whole = node.input(0), node.output()
        spreads = _spreads(node, whole, parts)
        return _sequence(node, list(_copies(node, whole, parts, spreads, to_parts=False)))


def _sequence(node: Node, steps: list[Step]) -> KernelSequence:
    return KernelSequence(
        name=node.operator.kind.lower(),
        steps=tuple(steps),
        pointers=(source_pointer(node.input(0)), target_pointer(node.output())),
    )


def _spreads(node: Node, whole: TensorSpec, parts: TensorSpec) -> list[_Spread]:
    """The spatial axes, checked: borders (or crops) and blocks make one shape of the other."""
    node.expect_same_type(whole, parts)
    rank = len(whole.shape)
    count = node.input(1).element_count
    if rank not in (3, 4) or count != rank - 2 or len(parts.shape) != rank:
        raise node.error(f"{whole} with a block of {count} dimensions is not supported")
    blocks = node.constant_integers(1, count)
    borders = node.constant_integers(2, 2 * count)
    if min(blocks) < 1 or min(borders) < 0:
        raise node.error(f"a block of {list(blocks)} with borders {list(borders)}")
    spreads, phases = [], 1
    for axis, block in enumerate(blocks):
        extent = whole.shape[axis + 1] + borders[2 * axis] + borders[2 * axis + 1]
        if extent != parts.shape[axis + 1] * block:
            raise node.error(f"{whole} and {parts} do not fit a block of {list(blocks)}")
        phases *= block
        spreads.append(
            _Spread(whole.shape[axis + 1], parts.shape[axis + 1], block, borders[2 * axis])
        )
    if parts.shape[0] != whole.shape[0] * phases or parts.shape[-1] != whole.shape[-1]:
        raise node.error(f"{whole} and {parts} do not fit a block of {list(blocks)}")
    if phases > _MAX_PHASES:
        raise node.error(f"a block of {phases} pixels; at most {_MAX_PHASES} are supported")
    return spreads


def _copies(
    node: Node, whole: TensorSpec, parts: TensorSpec, spreads: list[_Spread], *, to_parts: bool
) -> Iterator[Step]:
    """A copy for each image of the batch that has something of the whole."""
    whole_strides, part_strides = strides_of(whole.shape), strides_of(parts.shape)
    batches, channels = whole.shape[0], whole.shape[-1]
    phases = product(*(range(spread.block) for spread in spreads))
    for image, phase in enumerate(phases):
        axes = [(batches, whole_strides[0], part_strides[0])]
        starts = [0, image * batches * part_strides[0]]
        for i, spread in enumerate(spreads):
            first, index, count = spread.span(phase[i])
            axes.append((count, spread.block * whole_strides[i + 1], part_strides[i + 1]))
            starts[0] += first * whole_strides[i + 1]
            starts[1] += index * part_strides[i + 1]
        axes.append((channels, 1, 1))
        if any(count == 0 for count, *_ in axes):
            continue
        if not to_parts:
            axes = [(count, part, large) for count, large, part in axes]
            starts.reverse()
        block = Block(tuple(Axis(*axis) for axis in axes), *starts)
        yield copy_step(node, block, whole.dtype, ("input", "output"))
