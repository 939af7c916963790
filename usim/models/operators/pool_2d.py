"""MAX_POOL_2D and AVERAGE_POOL_2D, int8: the same geometry, two kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tflite

from usim.errors import ModelError
from usim.models.graph import Options
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe, read_activation
from usim.models.operators.scaling import output_range
from usim.models.operators.window import (
    Steps,
    check_extent,
    read_steps,
    slide,
    window_fields,
)
from usim.models.quantization import FusedActivation

_MAX_WINDOW = 1 << 23
"""Elements of a window: 2^23 of them, each at least -128, still sum up within int32."""


@dataclass(frozen=True, slots=True)
class Pool2DOptions(Options):
    steps: Steps
    window: tuple[int, int]
    activation: FusedActivation


class Pool2D(Recipe):
    """Either pooling; the kernel's folder is the operator's name in lower case."""

    options_type = tflite.BuiltinOptions.Pool2DOptions

    def read_options(self, union: Any) -> Pool2DOptions:  # noqa: ANN401
        table = tflite.Pool2DOptions()
        table.Init(union.Bytes, union.Pos)
        window = (table.FilterHeight(), table.FilterWidth())
        for extent in window:
            check_extent(extent, "pooling window")
        if window[0] * window[1] > _MAX_WINDOW:
            raise ModelError(f"a pooling window of {window[0]} x {window[1]} is too large")
        activation = read_activation(table.FusedActivationFunction())
        return Pool2DOptions(read_steps(table, dilated=False), window, activation)

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(1, 1)
        options = node.operator.options
        assert isinstance(options, Pool2DOptions)
        source = node.expect_activation(node.input(0), rank=4)
        target = node.expect_activation(node.output(), rank=4)
        node.expect_same_quantization(source, target)
        batches, height, width, channels = source.shape
        axes = slide(node, (height, width), options.window, options.steps)
        node.expect_shape(target, (batches, axes[0].output, axes[1].output, channels))
        shape = {
            "batches": batches,
            "channels": channels,
            **window_fields((height, width), options.window, options.steps, axes),
            **output_range(node, target, options.activation),
        }
        return KernelCall(
            kernel=self.kind.lower(),
            shape_type="pool_2d_shape",
            shape=shape,
            pointers=(
                Pointer("input", "const int8_t", source.index),
                Pointer("output", "int8_t", target.index),
            ),
            macs=0,
        )


class MaxPool2D(Pool2D):
    kind = "MAX_POOL_2D"


class AveragePool2D(Pool2D):
    kind = "AVERAGE_POOL_2D"
