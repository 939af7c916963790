"""BATCH_MATMUL of two int8 tensors: their last two axes are matrices, the others broadcast."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tflite

from usim.models.graph import Options, TensorSpec
from usim.models.operators.axes import Loop, axes_fields, broadcast_loops, broadcast_shape
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe
from usim.models.operators.scaling import multiplier

_RANKS = range(2, 6)
_MAX_DEPTH = (2**31 - 1) // 255**2


@dataclass(frozen=True, slots=True)
class BatchMatMulOptions(Options):
    """Whether the left and the right matrices are stored transposed."""

    left_transposed: bool
    right_transposed: bool


@dataclass(frozen=True, slots=True)
class _Matrix:
    """Extents and strides of one factor's matrices, in elements."""

    rows: int
    columns: int
    row_stride: int
    column_stride: int


class BatchMatMul(Recipe):
    kind = "BATCH_MATMUL"
    options_type = tflite.BuiltinOptions.BatchMatMulOptions

    def read_options(self, union: Any) -> BatchMatMulOptions:  # noqa: ANN401
        table = tflite.BatchMatMulOptions()
        table.Init(union.Bytes, union.Pos)
        return BatchMatMulOptions(bool(table.AdjX()), bool(table.AdjY()))

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 2)
        options = node.operator.options
        assert isinstance(options, BatchMatMulOptions)
        left, right = (node.expect_activation(node.input(position)) for position in (0, 1))
        target = node.expect_activation(node.output())
        first = _matrix(node, left, transposed=options.left_transposed)
        second = _matrix(node, right, transposed=options.right_transposed)
        if first.columns != second.rows or first.columns > _MAX_DEPTH:
            raise node.error(
                f"a product of {first.rows} x {first.columns} and {second.rows} x "
                f"{second.columns} matrices (inner extents must agree, {_MAX_DEPTH} at most)"
            )
        batches = broadcast_shape(node, left.shape[:-2], right.shape[:-2])
        node.expect_shape(target, (*batches, first.rows, second.columns))
        return KernelCall(
            kernel="batch_matmul",
            shape_type="batch_matmul_shape",
            shape={
                "batches": math.prod(batches),
                "rows": first.rows,
                "columns": second.columns,
                "depth": first.columns,
                **axes_fields("left_batches", _batch_loops(batches, left)),
                "left_row_stride": first.row_stride,
                "left_depth_stride": first.column_stride,
                **axes_fields("right_batches", _batch_loops(batches, right)),
                "right_column_stride": second.column_stride,
                "right_depth_stride": second.row_stride,
                **_scaling_fields(node, left, right, target),
            },
            pointers=(
                Pointer("left", "const int8_t", left.index),
                Pointer("right", "const int8_t", right.index),
                Pointer("output", "int8_t", target.index),
            ),
            macs=target.element_count * first.columns,
        )


def _matrix(node: Node, tensor: TensorSpec, *, transposed: bool) -> _Matrix:
    if len(tensor.shape) not in _RANKS:
        raise node.error(f"{tensor} must have {_RANKS[0]} to {_RANKS[-1]} dimensions")
    rows, columns = tensor.shape[-2:]
    if transposed:
        return _Matrix(columns, rows, 1, columns)
    return _Matrix(rows, columns, columns, 1)


def _batch_loops(batches: Sequence[int], tensor: TensorSpec) -> list[Loop]:
    """Loops over the matrices of one factor, with strides in elements."""
    matrix = tensor.shape[-2] * tensor.shape[-1]
    loops = broadcast_loops(batches, tensor.shape[:-2])
    return [Loop(loop.extent, (loop.strides[0] * matrix,)) for loop in loops]


def _scaling_fields(
    node: Node, left: TensorSpec, right: TensorSpec, target: TensorSpec
) -> Mapping[str, int]:
    real = left.scale * right.scale / target.scale
    output_multiplier, output_shift = multiplier(node, real)
    return {
        "left_offset": -left.zero_point,
        "right_offset": -right.zero_point,
        "output_offset": target.zero_point,
        "output_multiplier": output_multiplier,
        "output_shift": output_shift,
    }
