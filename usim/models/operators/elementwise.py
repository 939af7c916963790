"""What operators on two tensors share: broadcasting, operands and the call of the kernel."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from usim.models.graph import TensorSpec
from usim.models.operators.axes import Loop, axes_fields, broadcast_loops, broadcast_shape
from usim.models.operators.base import (
    TYPE_SUFFIXES,
    KernelCall,
    Node,
    Recipe,
    source_pointer,
    target_pointer,
)
from usim.models.operators.scaling import multiplier
from usim.models.quantization import FusedActivation


def scaled_fields(
    node: Node, loops: list[Loop], reals: tuple[float, float, float]
) -> dict[str, int]:
    """Both int8 operands at a common scale and the result at the output's: by the real factors."""
    left, right, target = node.input(0), node.input(1), node.output()
    if reals[2] >= 1:
        raise node.error(f"the scale of {target} is too small for that of its operands")
    left_multiplier, left_shift = multiplier(node, reals[0])
    right_multiplier, right_shift = multiplier(node, reals[1])
    output_multiplier, output_shift = multiplier(node, reals[2])
    return {
        **broadcast_fields(loops, "operands"),
        "left_offset": -left.zero_point,
        "left_multiplier": left_multiplier,
        "left_shift": left_shift,
        "right_offset": -right.zero_point,
        "right_multiplier": right_multiplier,
        "right_shift": right_shift,
        "output_offset": target.zero_point,
        "output_multiplier": output_multiplier,
        "output_shift": output_shift,
    }


class Elementwise(Recipe):
    """One output element for each pair of elements; operands broadcast as in numpy."""

    shape_type: ClassVar[str]
    real_shape_type: ClassVar[str] = ""
    """That of float32, for those that have it."""
    operation: ClassVar[np.ufunc | None] = None
    """The same on constants that are plain integers, such as extents, where that is provided."""

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 2)
        left, right, target = node.input(0), node.input(1), node.output()
        for tensor in (left, right, target):
            self.check(node, tensor)
        node.expect_same_type(left, right)
        node.expect_same_type(left, target)
        node.expect_shape(target, broadcast_shape(node, left.shape, right.shape))
        return KernelCall(
            kernel=self.kind.lower(),
            shape_type=self.real_shape_type if left.dtype == "float32" else self.shape_type,
            shape=self.fields(node, broadcast_loops(target.shape, left.shape, right.shape)),
            pointers=(
                source_pointer(left, "left"),
                source_pointer(right, "right"),
                target_pointer(target),
            ),
            macs=0,
            types=TYPE_SUFFIXES[left.dtype],
        )

    def fold(self, node: Node) -> npt.NDArray[Any] | None:
        left, right = node.input(0).data, node.input(1).data
        activation = getattr(node.operator.options, "activation", FusedActivation.NONE)
        if self.operation is None or activation is not FusedActivation.NONE:
            return None
        if left is None or right is None:
            return None
        value: npt.NDArray[Any] = self.operation(left, right)
        return value

    def check(self, node: Node, tensor: TensorSpec) -> None:
        """Check an operand or the output."""
        node.expect_activation(tensor)

    @abstractmethod
    def fields(self, node: Node, loops: list[Loop]) -> Mapping[str, int | float]:
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
