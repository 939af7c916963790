"""SHAPE: the extents of a tensor. They are known, so what it puts out is a constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from usim.models.operators.base import (
    KernelSequence,
    NewConstant,
    Node,
    NoOptions,
    Pointer,
    Recipe,
    target_pointer,
)
from usim.models.operators.movement import Axis, Block, copy_step


class Shape(Recipe):
    kind = "SHAPE"
    options_type = None

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def lower(self, node: Node) -> KernelSequence:
        target = node.output()
        value = self.fold(node)
        node.expect_shape(target, value.shape)
        if target.dtype != "int32":
            raise node.error(f"{target} is not int32")
        block = Block((Axis(value.size, 1, 1),))
        return KernelSequence(
            name="shape",
            steps=(copy_step(node, block, target.dtype, ("extents", "output")),),
            pointers=(
                Pointer("extents", "const int32_t", NewConstant(value)),
                target_pointer(target),
            ),
        )

    def fold(self, node: Node) -> npt.NDArray[Any]:
        node.expect_arity(1, 1)
        return np.array(node.input(0).shape, np.int32)
