"""PAD and PADV2: a border around a tensor, of zeros or of a given value."""

from __future__ import annotations

from typing import Any

from usim.models.graph import ITEM_BYTES, TensorSpec
from usim.models.operators.base import (
    KernelSequence,
    Node,
    NoOptions,
    Recipe,
    Step,
    source_pointer,
    target_pointer,
)
from usim.models.operators.movement import Axis, Block, copy_step, strides_of

_TYPES = ("int8", "int16", "int32", "float32")


class Pad(Recipe):
    """Without a value, the border is 0; in an int8 tensor, that is the output's zero point."""

    kind = "PAD"
    options_type = None

    def read_options(self, union: Any) -> NoOptions:  # noqa: ANN401
        return NoOptions()

    def lower(self, node: Node) -> KernelSequence:
        node.expect_arity(2, 3)
        source, target = node.input(0), node.output()
        node.expect_same_type(source, target)
        if source.dtype not in _TYPES:
            raise node.error(f"{source} must be one of {', '.join(_TYPES)}")
        borders = node.constant_integers(1, 2 * len(source.shape))
        before, after = borders[::2], borders[1::2]
        if min(borders, default=0) < 0:
            raise node.error(f"paddings {list(borders)}; none may be negative")
        extents = zip(source.shape, before, after, strict=True)
        node.expect_shape(target, tuple(sum(extent) for extent in extents))
        input_strides, output_strides = strides_of(source.shape), strides_of(target.shape)
        axes = zip(source.shape, input_strides, output_strides, strict=True)
        start = sum(border * stride for border, stride in zip(before, output_strides, strict=True))
        copy = copy_step(
            node,
            Block(tuple(Axis(*axis) for axis in axes), output_start=start),
            source.dtype,
            ("input", "output"),
        )
        fill = fill_step(node, target, node.optional_input(2))
        return KernelSequence(
            name=self.kind.lower(),
            steps=(fill, copy) if any(borders) else (copy,),
            pointers=(source_pointer(source), target_pointer(target)),
        )


class PadV2(Pad):
    kind = "PADV2"


def fill_step(node: Node, target: TensorSpec, value: TensorSpec | None = None) -> Step:
    """All of `output` set to `value`; without one, to 0, which in int8 is the zero point."""
    return Step(
        kernel="fill",
        function="fill",
        shape_type="fill_shape",
        shape={"size_bytes": target.size_bytes, "pattern": _pattern(node, target, value)},
        arguments=("output",),
    )


def _pattern(node: Node, target: TensorSpec, value: TensorSpec | None) -> int:
    """The border's element, repeated to four bytes, as an int32."""
    if value is not None:
        raw = _value(node, value, target)
    else:
        number = node.expect_activation(target).zero_point if target.dtype == "int8" else 0
        raw = number.to_bytes(ITEM_BYTES[target.dtype], "little", signed=True)
    return int.from_bytes(raw * (4 // len(raw)), "little", signed=True)


def _value(node: Node, value: TensorSpec, target: TensorSpec) -> bytes:
    if value.data is None or value.dtype != target.dtype or value.element_count != 1:
        raise node.error(f"the border's value, {value}, must be one {target.dtype} constant")
    if target.dtype == "int8":
        node.expect_activation(value)
        node.expect_activation(target)
        if (value.scale, value.zero_point) != (target.scale, target.zero_point):
            raise node.error(f"{value} and {target} must share scale and zero point")
    return value.data.astype(target.dtype).tobytes()
