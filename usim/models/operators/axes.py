"""Loops over tensors' axes, as few as possible: for operators that broadcast or reduce."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from usim.models.operators.base import Node

_MAX_AXES = 16
"""In a list of them: tensors have 8 at most, and one may be named again, counted from the end."""


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop: how often, and how far each operand moves at a time, in elements."""

    extent: int
    strides: tuple[int, ...]


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The stride of each axis."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def fuse(loops: Sequence[Loop]) -> list[Loop]:
    """The same walk, outermost loop first, in the fewest loops."""
    fused: list[Loop] = []
    for loop in loops:
        if loop.extent == 1:
            continue
        steps = tuple(loop.extent * stride for stride in loop.strides)
        if fused and fused[-1].strides == steps:
            fused[-1] = Loop(fused[-1].extent * loop.extent, loop.strides)
        else:
            fused.append(loop)
    return fused


def broadcast_loops(shape: Sequence[int], *operands: Sequence[int]) -> list[Loop]:
    """Loops over a tensor of `shape` and over the operands, repeated to fill it."""
    strides = [_broadcast_strides(operand, len(shape)) for operand in operands]
    return fuse([Loop(*item) for item in zip(shape, zip(*strides, strict=True), strict=True)])


def broadcast_shape(node: Node, left: Sequence[int], right: Sequence[int]) -> tuple[int, ...]:
    """The shape that two shapes broadcast to, aligned at their last axes, as numpy does it."""
    rank = max(len(left), len(right))
    extents = []
    for first, second in zip(_padded(left, rank), _padded(right, rank), strict=True):
        if first != second and 1 not in (first, second):
            raise node.error(f"shapes {list(left)} and {list(right)} cannot be broadcast")
        extents.append(max(first, second))
    return tuple(extents)


def axes_fields(name: str, loops: Sequence[Loop], operand: int = 0) -> Mapping[str, int]:
    """The fields of `struct axes` (common/axes.h) for one operand of a walk."""
    walked = list(reversed(loops)) or [Loop(1, (0,) * (operand + 1))]
    fields = {f"{name}.count": len(walked)}
    for i, loop in enumerate(walked):
        fields[f"{name}.extent[{i}]"] = loop.extent
        fields[f"{name}.stride[{i}]"] = loop.strides[operand]
    return fields


def constant_axes(node: Node, position: int, rank: int) -> tuple[int, ...]:
    """The axes that a constant int32 input names, ascending; negative ones count from the end."""
    tensor = node.input(position)
    if tensor.data is None or tensor.dtype != "int32":
        raise node.error(f"the axes, {tensor}, must be an int32 constant")
    if tensor.element_count > _MAX_AXES:
        raise node.error(f"the axes, {tensor}, are more than {_MAX_AXES}")
    axes = {int(axis) for axis in tensor.data.flat}
    for axis in axes:
        if not -rank <= axis < rank:
            raise node.error(f"axis {axis} of a tensor with {rank} dimensions")
    return tuple(sorted({axis % rank for axis in axes}))


def reduced_shape(shape: tuple[int, ...], axes: tuple[int, ...], *, keep: bool) -> tuple[int, ...]:
    """A shape without `axes`, or with an extent of 1 in their place."""
    if keep:
        return tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
    return tuple(extent for axis, extent in enumerate(shape) if axis not in axes)


def _padded(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    return (*(1,) * (rank - len(shape)), *shape)


def _broadcast_strides(shape: Sequence[int], rank: int) -> tuple[int, ...]:
    """Strides of a tensor that is repeated along the axes where it has one element."""
    padded = _padded(shape, rank)
    return tuple(
        0 if extent == 1 else stride
        for extent, stride in zip(padded, row_major(padded), strict=True)
    )
