"""What operators on two int8 tensors share: broadcasting, operands and the call of the kernel."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from usim.models.graph import TensorSpec
from usim.models.operators.axes import Loop, axes_fields, broadcast_loops, broadcast_shape
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe
from usim.models.quantization import FusedActivation


class Elementwise(Recipe):
    """One output element for each pair of elements; operands broadcast as in numpy."""

    shape_type: ClassVar[str]
    operation: ClassVar[np.ufunc]
    """The same on constants that are plain integers, such as extents."""

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 2)
        left, right, target = node.input(0), node.input(1), node.output()
        for tensor in (left, right, target):
            self.check(node, tensor)
        node.expect_shape(target, broadcast_shape(node, left.shape, right.shape))
        return KernelCall(
            kernel=self.kind.lower(),
            shape_type=self.shape_type,
            shape=self.fields(node, broadcast_loops(target.shape, left.shape, right.shape)),
            pointers=(
                Pointer("left", "const int8_t", left.index),
                Pointer("right", "const int8_t", right.index),
                Pointer("output", "int8_t", target.index),
            ),
            macs=0,
        )

    def fold(self, node: Node) -> npt.NDArray[Any] | None:
        left, right = node.input(0).data, node.input(1).data
        activation = getattr(node.operator.options, "activation", FusedActivation.NONE)
        if left is None or right is None or activation is not FusedActivation.NONE:
            return None
        value: npt.NDArray[Any] = self.operation(left, right)
        return value

    def check(self, node: Node, tensor: TensorSpec) -> None:
        """Check an operand or the output."""
        node.expect_activation(tensor)

    @abstractmethod
    def fields(self, node: Node, loops: list[Loop]) -> Mapping[str, int]:
        """The kernel's shape structure."""


def broadcast_fields(loops: list[Loop], name: str = "") -> Mapping[str, int]:
    """The fields of `struct broadcast` (common/broadcast.h), or of a member of that type."""
    *outer, row = loops or [Loop(1, (0, 0))]
    prefix = f"{name}." if name else ""
    return {
        f"{prefix}rows": math.prod(loop.extent for loop in outer),
        f"{prefix}columns": row.extent,
        f"{prefix}left_step": row.strides[0],
        f"{prefix}right_step": row.strides[1],
        **axes_fields(f"{prefix}left", outer, 0),
        **axes_fields(f"{prefix}right", outer, 1),
    }
