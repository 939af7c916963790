"""Geometry of operators that slide a window over an image: output extents and padding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from usim.errors import ModelError
from usim.models.operators.base import Node

_MAX_STEP = 1 << 16
"""Limit of strides, dilations and filter extents, so that the kernels' int32 indices suffice."""
_MAX_SPAN = 1 << 24
"""Limit of how far a window reaches over an image, dilated, for the same reason."""


class Padding(IntEnum):
    """With TFLite's numbers."""

    SAME = 0
    VALID = 1


@dataclass(frozen=True, slots=True)
class Steps:
    """How a window moves: padding policy, strides and dilations as (height, width)."""

    padding: Padding
    stride: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of the geometry: the output's extent, and the padding before the input."""

    output: int
    padding: int


def read_steps(table: Any, *, dilated: bool) -> Steps:  # noqa: ANN401
    """Padding, strides and dilations from an options table that has them under TFLite's names."""
    dilation = (table.DilationHFactor(), table.DilationWFactor()) if dilated else (1, 1)
    steps = Steps(read_padding(table.Padding()), (table.StrideH(), table.StrideW()), dilation)
    for value in (*steps.stride, *steps.dilation):
        check_extent(value, "stride or dilation")
    return steps


def read_padding(number: int) -> Padding:
    try:
        return Padding(number)
    except ValueError as exc:
        raise ModelError(f"padding {number} is not supported (have: SAME, VALID)") from exc


def check_extent(value: int, what: str) -> None:
    if not 1 <= value <= _MAX_STEP:
        raise ModelError(f"a {what} of {value}; it must be 1 to {_MAX_STEP}")


def window_fields(
    image: tuple[int, int], window: tuple[int, int], steps: Steps, axes: tuple[Axis, Axis]
) -> dict[str, int]:
    """The fields that every windowed kernel's shape structure has."""
    return {
        "input_height": image[0],
        "input_width": image[1],
        "output_height": axes[0].output,
        "output_width": axes[1].output,
        "filter_height": window[0],
        "filter_width": window[1],
        "stride_height": steps.stride[0],
        "stride_width": steps.stride[1],
        "padding_top": axes[0].padding,
        "padding_left": axes[1].padding,
    }


def slide(
    node: Node, image: tuple[int, int], window: tuple[int, int], steps: Steps
) -> tuple[Axis, Axis]:
    """Output extents and leading padding along height and width, as TensorFlow defines them."""
    axes = []
    for axis in (0, 1):
        span = (window[axis] - 1) * steps.dilation[axis] + 1
        stride = steps.stride[axis]
        if span > _MAX_SPAN:
            raise node.error(
                f"a window that spans {span} pixels; at most {_MAX_SPAN} are supported"
            )
        if steps.padding is Padding.VALID:
            if span > image[axis]:
                raise node.error(f"a window of {span} does not fit an image of {image[axis]}")
            axes.append(Axis((image[axis] - span) // stride + 1, 0))
            continue
        output = -(-image[axis] // stride)
        # An odd total pads one more after the image than before it.
        axes.append(Axis(output, max((output - 1) * stride + span - image[axis], 0) // 2))
    return axes[0], axes[1]
