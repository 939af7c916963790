"""L2_NORMALIZATION of int8 along the last axis: embeddings that are compared by their angle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tflite

from usim.errors import ModelError
from usim.models.graph import Options
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe, read_activation
from usim.models.quantization import FusedActivation

_MAX_DEPTH = 8192
"""The kernel's: so many squares sum up to less than 2^29."""


@dataclass(frozen=True, slots=True)
class L2NormalizationOptions(Options):
    """Nothing to choose: a fused activation is refused."""


class L2Normalization(Recipe):
    """The output's scale is 1/128, with zero point 0, as TensorFlow Lite Micro demands."""

    kind = "L2_NORMALIZATION"
    options_type = tflite.BuiltinOptions.L2NormOptions

    def read_options(self, union: Any) -> L2NormalizationOptions:  # noqa: ANN401
        table = tflite.L2NormOptions()
        table.Init(union.Bytes, union.Pos)
        if read_activation(table.FusedActivationFunction()) is not FusedActivation.NONE:
            raise ModelError("a fused activation is not supported")
        return L2NormalizationOptions()

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(1, 1)
        source = node.expect_activation(node.input(0))
        target = node.expect_activation(node.output())
        node.expect_shape(target, source.shape)
        if target.scale != 1 / 128 or target.zero_point != 0:
            raise node.error(f"{target} must have scale 1/128 and zero point 0")
        depth = source.shape[-1] if source.shape else 1
        if depth > _MAX_DEPTH:
            raise node.error(f"rows of {depth} elements; at most {_MAX_DEPTH} are supported")
        return KernelCall(
            kernel="l2_normalization",
            shape_type="l2_normalization_shape",
            shape={
                "rows": source.element_count // depth,
                "depth": depth,
                "input_offset": -source.zero_point,
            },
            pointers=(
                Pointer("input", "const int8_t", source.index),
                Pointer("output", "int8_t", target.index),
            ),
            macs=0,
        )
