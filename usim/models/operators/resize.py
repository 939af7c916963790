"""RESIZE_NEAREST_NEIGHBOR of any type, and RESIZE_BILINEAR of int8: images of another size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.errors import ModelError
from usim.models.graph import ITEM_BYTES, Options, TensorSpec
from usim.models.operators.base import (
    KernelCall,
    KernelSequence,
    NewConstant,
    Node,
    Pointer,
    Recipe,
    Step,
    source_pointer,
    target_pointer,
)

_ONE = 1 << 10
"""The kernel's RESIZE_BILINEAR_ONE: positions between pixels count in 1/1024."""
_MAX_EXTENT = 1 << 16
"""Of images, so that positions in 1/1024 fit 32 bits."""
_NEAREST_TYPES = ("int8", "int16", "float32")


@dataclass(frozen=True, slots=True)
class ResizeOptions(Options):
    """Where pixels are: corner on corner, or half a pixel away from it."""

    align_corners: bool
    half_pixel_centers: bool


class Resize(Recipe):
    """What both have in common."""

    def checked(self, node: Node) -> tuple[TensorSpec, TensorSpec]:
        """Input and output, images of the same number, depth and type."""
        node.expect_arity(2, 2)
        source, target = node.input(0), node.output()
        node.expect_same_type(source, target)
        if len(source.shape) != 4:
            raise node.error(f"{source} must have 4 dimensions")
        size = node.constant_integers(1, 2)
        largest = max(*size, *source.shape[1:3])
        if largest > _MAX_EXTENT:
            raise node.error(f"an image of {largest} pixels; at most {_MAX_EXTENT} are supported")
        node.expect_shape(target, (source.shape[0], *size, source.shape[3]))
        return source, target


class ResizeNearestNeighbor(Resize):
    kind = "RESIZE_NEAREST_NEIGHBOR"
    options_type = tflite.BuiltinOptions.ResizeNearestNeighborOptions

    def read_options(self, union: Any) -> ResizeOptions:  # noqa: ANN401
        return _read_options(tflite.ResizeNearestNeighborOptions(), union)

    def lower(self, node: Node) -> KernelSequence:
        source, target = self.checked(node)
        if source.dtype not in _NEAREST_TYPES:
            raise node.error(f"{source} must be one of {', '.join(_NEAREST_TYPES)}")
        batches, height, width, channels = source.shape
        pixel = channels * ITEM_BYTES[source.dtype]
        rows = _nearest(node, height, target.shape[1]) * (width * pixel)
        columns = _nearest(node, width, target.shape[2]) * pixel
        step = Step(
            kernel="gather_2d",
            function="gather_2d",
            shape_type="gather_2d_shape",
            shape={
                "batches": batches,
                "image_bytes": height * width * pixel,
                "output_height": target.shape[1],
                "output_width": target.shape[2],
                "pixel_bytes": pixel,
            },
            arguments=("input", "rows", "columns", "output"),
        )
        pointers = (source_pointer(source), *_tables(rows, columns), target_pointer(target))
        return KernelSequence(self.kind.lower(), (step,), pointers)


class ResizeBilinear(Resize):
    kind = "RESIZE_BILINEAR"
    options_type = tflite.BuiltinOptions.ResizeBilinearOptions

    def read_options(self, union: Any) -> ResizeOptions:  # noqa: ANN401
        options = _read_options(tflite.ResizeBilinearOptions(), union)
        if options.align_corners and options.half_pixel_centers:
            raise ModelError("align_corners and half_pixel_centers exclude each other")
        return options

    def lower(self, node: Node) -> KernelCall:
        source, target = self.checked(node)
        if source.dtype != "int8":
            raise node.error(f"{source} is not int8; convert the model with full int8 quantization")
        batches, height, width, channels = source.shape
        rows = _between(node, height, target.shape[1], width * channels)
        columns = _between(node, width, target.shape[2], channels)
        return KernelCall(
            kernel="resize_bilinear",
            shape_type="resize_bilinear_shape",
            shape={
                "batches": batches,
                "image_size": height * width * channels,
                "output_height": target.shape[1],
                "output_width": target.shape[2],
                "channels": channels,
            },
            pointers=(source_pointer(source), *_tables(rows, columns), target_pointer(target)),
            macs=0,
        )


def _read_options(table: Any, union: Any) -> ResizeOptions:  # noqa: ANN401
    table.Init(union.Bytes, union.Pos)
    return ResizeOptions(bool(table.AlignCorners()), bool(table.HalfPixelCenters()))


def _tables(rows: npt.NDArray[Any], columns: npt.NDArray[Any]) -> tuple[Pointer, Pointer]:
    return (
        Pointer("rows", "const int32_t", NewConstant(rows.astype(np.int32))),
        Pointer("columns", "const int32_t", NewConstant(columns.astype(np.int32))),
    )


def _options(node: Node) -> ResizeOptions:
    options = node.operator.options
    assert isinstance(options, ResizeOptions)
    return options


def _nearest(node: Node, extent: int, wanted: int) -> npt.NDArray[np.int64]:
    """The index of the input for each of the output, along one axis; in single precision."""
    options = _options(node)
    aligned = options.align_corners and wanted > 1
    shrunk = (extent - 1, wanted - 1) if aligned else (extent, wanted)
    scale = np.float32(shrunk[0]) / np.float32(shrunk[1])
    offset = np.float32(0.5 if options.half_pixel_centers else 0)
    positions = (np.arange(wanted).astype(np.float32) + offset) * scale
    # Rounding half away from zero; positions are not negative.
    whole = np.floor(positions.astype(np.float64) + 0.5) if options.align_corners else positions
    return np.minimum(np.floor(whole).astype(np.int64), extent - 1)


def _between(node: Node, extent: int, wanted: int, stride: int) -> npt.NDArray[np.int64]:
    """The two neighbours of each output index along one axis, and the second one's weight."""
    options = _options(node)
    aligned = options.align_corners and wanted > 1
    last = (extent - 1, wanted - 1) if aligned else (extent, wanted)
    scale = (_ONE * last[0] + last[1] // 2) // last[1]
    positions = np.arange(wanted, dtype=np.int64) * scale
    if options.half_pixel_centers:
        positions += scale // 2 - _ONE // 2
    lower = np.maximum(positions, 0) // _ONE
    if lower[-1] >= extent:
        raise node.error(f"{wanted} pixels of {extent}: the last ones would lie outside")
    upper = np.clip((positions + _ONE - 1) // _ONE, 0, extent - 1)
    # Where both are the same, any two weights that add up to one give the same.
    weights = np.where(upper > lower, positions - lower * _ONE, 0)
    return np.stack([lower * stride, upper * stride, weights], axis=1)
