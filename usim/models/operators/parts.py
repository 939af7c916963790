"""What operators share that put tensors of any type side by side in one, or take one apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from usim.models.graph import ITEM_BYTES, TensorSpec
from usim.models.operators.base import Alias, KernelSequence, Node, source_pointer, target_pointer
from usim.models.operators.movement import Axis, Block, copy_step


def joined(
    node: Node, pieces: Sequence[TensorSpec], whole: TensorSpec, axis: int
) -> KernelSequence:
    """All pieces, in order, along `axis` of `whole`: a copy each."""
    starts = _starts(node, whole, pieces, axis)
    names = [f"input_{position}" for position in range(len(pieces))]
    row = _row(whole, axis)
    return KernelSequence(
        name=node.operator.kind.lower(),
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
            target_pointer(whole),
        ),
        views=_views(whole, pieces, starts, axis),
    )


def parted(
    node: Node, whole: TensorSpec, pieces: Sequence[TensorSpec], axis: int
) -> KernelSequence:
    """The other way round: `whole` falls into the pieces."""
    starts = _starts(node, whole, pieces, axis)
    names = [f"output_{position}" for position in range(len(pieces))]
    row = _row(whole, axis)
    return KernelSequence(
        name=node.operator.kind.lower(),
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
            source_pointer(whole),
            *(target_pointer(*pair) for pair in zip(pieces, names, strict=True)),
        ),
        outputs=len(pieces),
        views=_views(whole, pieces, starts, axis),
    )


def _row(tensor: TensorSpec, axis: int) -> int:
    return math.prod(tensor.shape[axis:])


def _rows(piece: TensorSpec, axis: int, strides: tuple[int, int]) -> tuple[Axis, ...]:
    """A piece as rows of all that lies along and inside `axis`; strides of input and output."""
    return (Axis(math.prod(piece.shape[:axis]), *strides), Axis(_row(piece, axis), 1, 1))


def _views(
    whole: TensorSpec, pieces: Sequence[TensorSpec], starts: Sequence[int], axis: int
) -> tuple[Alias, ...]:
    """The pieces as parts of the whole, if each is one run of it."""
    if math.prod(whole.shape[:axis]) > 1:
        return ()
    size = ITEM_BYTES[whole.dtype]
    return tuple(
        Alias(whole.index, piece.index, start * size)
        for piece, start in zip(pieces, starts, strict=True)
    )


def _starts(node: Node, whole: TensorSpec, pieces: Sequence[TensorSpec], axis: int) -> list[int]:
    """Where in a row of `whole` each piece begins, in elements; the pieces must make it up.

    A piece of one dimension less has one index along `axis`.
    """
    starts, position = [], 0
    inner = math.prod(whole.shape[axis + 1 :])
    for piece in pieces:
        node.expect_same_type(piece, whole)
        thin = len(piece.shape) + 1 == len(whole.shape)
        shape = (*piece.shape[:axis], 1, *piece.shape[axis:]) if thin else piece.shape
        outside = (
            shape[:axis] == whole.shape[:axis] and shape[axis + 1 :] == whole.shape[axis + 1 :]
        )
        if len(shape) != len(whole.shape) or not outside:
            raise node.error(f"{piece} is no part of {whole} along dimension {axis}")
        starts.append(position * inner)
        position += shape[axis]
    if position != whole.shape[axis]:
        raise node.error(f"its parts make up {position} of dimension {axis} of {whole}")
    return starts
