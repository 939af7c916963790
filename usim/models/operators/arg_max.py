"""ARG_MAX of int8 along one axis, to int32."""

from __future__ import annotations

import math
from typing import Any

from usim.models.graph import Options
from usim.models.operators.axes import constant_axes
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe


class ArgMax(Recipe):
    kind = "ARG_MAX"
    options_type = None

    def read_options(self, union: Any) -> Options:  # noqa: ANN401
        return Options()

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 2)
        source = node.expect_activation(node.input(0))
        target = node.output()
        axes = constant_axes(node, 1, len(source.shape))
        if len(axes) != 1:
            raise node.error(f"{len(axes)} axes; it takes one")
        if target.dtype != "int32":
            raise node.error(f"{target} is not int32")
        outer, inner = source.shape[: axes[0]], source.shape[axes[0] + 1 :]
        node.expect_shape(target, outer + inner)
        return KernelCall(
            kernel="arg_max",
            shape_type="arg_max_shape",
            shape={
                "outer": math.prod(outer),
                "extent": source.shape[axes[0]],
                "inner": math.prod(inner),
            },
            pointers=(
                Pointer("input", "const int8_t", source.index),
                Pointer("output", "int32_t", target.index),
            ),
            macs=0,
        )
