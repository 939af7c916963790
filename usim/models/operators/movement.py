"""What operators that only move bytes share: blocks copied from one tensor into another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from usim.models.graph import ITEM_BYTES, TensorSpec
from usim.models.operators.base import (
    Alias,
    KernelSequence,
    Node,
    Step,
    source_pointer,
    target_pointer,
)

_AXES = 5
"""The kernel's STRIDED_COPY_AXES."""


@dataclass(frozen=True, slots=True)
class Axis:
    """`extent` steps along both tensors; the strides count elements."""

    extent: int
    input_stride: int
    output_stride: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block of elements to copy, axes outermost first; starts count elements."""

    axes: tuple[Axis, ...]
    input_start: int = 0
    output_start: int = 0


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index to the next along each axis of a dense tensor."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)


def copy_step(node: Node, block: Block, dtype: str, names: tuple[str, str]) -> Step:
    """The kernel's run that copies `block`; `names` are those of its pointers, input and output."""
    size = ITEM_BYTES[dtype]
    axes = _merged(block.axes)
    run = 1
    if axes and axes[-1].input_stride == axes[-1].output_stride == 1:
        run = axes.pop().extent
    if len(axes) > _AXES:
        raise node.error(f"it moves data along {len(axes)} axes; at most {_AXES} are supported")
    axes = [Axis(1, 0, 0)] * (_AXES - len(axes)) + axes
    return Step(
        kernel="strided_copy",
        function="strided_copy",
        shape_type="strided_copy_shape",
        shape={
            "input_start": block.input_start * size,
            "output_start": block.output_start * size,
            "extent": tuple(axis.extent for axis in axes),
            "input_stride": tuple(axis.input_stride * size for axis in axes),
            "output_stride": tuple(axis.output_stride * size for axis in axes),
            "run": run * size,
        },
        arguments=names,
    )


def copied(node: Node, block: Block, source: TensorSpec, target: TensorSpec) -> KernelSequence:
    """An operator that copies one block of `source` to `target`, and fills it with that."""
    offset = block.input_start * ITEM_BYTES[source.dtype]
    dense = all(axis == Axis(target.element_count, 1, 1) for axis in _merged(block.axes))
    return KernelSequence(
        name=node.operator.kind.lower(),
        steps=(copy_step(node, block, source.dtype, ("input", "output")),),
        pointers=(source_pointer(source), target_pointer(target)),
        views=(Alias(source.index, target.index, offset),) if dense else (),
    )


def renamed(node: Node, source: TensorSpec, target: TensorSpec) -> Alias | KernelSequence:
    """`target` is `source` under another shape: an alias where the two can share their bytes.

    A constant lives elsewhere, and a variable may change while its copy must not.
    """
    if source.element_count != target.element_count or source.dtype != target.dtype:
        raise node.error(f"{source} does not become {target}")
    if source.data is None and not source.variable:
        return Alias(source=source.index, target=target.index)
    return copied(node, Block((Axis(source.element_count, 1, 1),)), source, target)


def positive_axis(node: Node, axis: int, rank: int) -> int:
    """A possibly negative axis, counted from the front."""
    if not -rank <= axis < rank:
        raise node.error(f"axis {axis} of a tensor with {rank} dimensions")
    return axis % rank


def _merged(axes: Iterable[Axis]) -> list[Axis]:
    """The same block with as few axes as can be."""
    merged: list[Axis] = []
    for axis in axes:
        if axis.extent == 1:
            continue
        last = merged[-1] if merged else None
        if last is not None and (last.input_stride, last.output_stride) == (
            axis.extent * axis.input_stride,
            axis.extent * axis.output_stride,
        ):
            merged[-1] = Axis(last.extent * axis.extent, axis.input_stride, axis.output_stride)
        else:
            merged.append(axis)
    return merged
