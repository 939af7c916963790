"""Functions of one 8-bit value: tables of 256 results, computed here, at build time.

A table is exact by construction, for it holds what TensorFlow Lite Micro's integer arithmetic gives
for each of the 256 inputs, and costs the chip one load an element, whatever the function. It takes
256 bytes of rodata.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import KernelCall, NewConstant, Node, Pointer, Recipe
from usim.models.quantization import INT8_MAX, INT8_MIN


class Lookup(Recipe):
    """An operator with one int8 input and an int8 output of the same shape."""

    options_type: ClassVar[int | None] = None

    def read_options(self, union: Any) -> Options:  # noqa: ANN401
        return Options()

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(1, 1)
        source = node.expect_activation(node.input(0))
        target = node.expect_activation(node.output())
        node.expect_shape(target, source.shape)
        results = self.results(node, source, target)
        return lookup_call(node, range(INT8_MIN, INT8_MAX + 1), results)

    @abstractmethod
    def results(self, node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
        """The output for each input from -128 to 127."""


def lookup_call(node: Node, inputs: range, results: list[int]) -> KernelCall:
    """A call that puts out results[i] for the stored value inputs[i]."""
    table = np.zeros(256, dtype=np.uint8)
    for value, result in zip(inputs, results, strict=True):
        table[value & 255] = result & 255
    return KernelCall(
        kernel="lookup",
        shape_type="lookup_shape",
        shape={"size": node.output().element_count},
        pointers=(
            Pointer("input", "const void", node.input(0).index),
            Pointer("table", "const uint8_t", NewConstant(table)),
            Pointer("output", "void", node.output().index),
        ),
        macs=0,
    )
