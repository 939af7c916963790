"""NEG and SQUARE of float32: TensorFlow Lite Micro has them for that type only."""

from __future__ import annotations

from typing import Any

from usim.models.operators.base import (
    KernelSequence,
    Node,
    NoOptions,
    Recipe,
    Step,
    source_pointer,
    target_pointer,
)


class Neg(Recipe):
    kind = "NEG"
    options_type = None

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def lower(self, node: Node) -> KernelSequence:
        node.expect_arity(1, 1)
        source, target = node.input(0), node.output()
        node.expect_same_type(source, target)
        node.expect_shape(target, source.shape)
        if source.dtype != "float32":
            raise node.error(f"{source} is not float32")
        name = self.kind.lower()
        step = Step(
            kernel="float_unary",
            function=f"float_unary_{name}",
            shape_type="float_unary_shape",
            shape={"size": source.element_count},
            arguments=("input", "output"),
        )
        return KernelSequence(name, (step,), (source_pointer(source), target_pointer(target)))


class Square(Neg):
    kind = "SQUARE"
