"""How much of an image depthwise_conv_2d_padded copies at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from usim.models.operators.layout import SCRATCH_BYTES, WORD_BYTES, round_up

_GOOD_ROWS = 4
"""Output rows in a band from which on copying its first and last input rows twice is cheap."""


@dataclass(frozen=True, slots=True)
class Band:
    """The shape's fields that say what a band covers, and the scratch memory that it takes."""

    fields: Mapping[str, int]
    size_bytes: int


def find_band(shape: Mapping[str, int], outputs: int) -> Band | None:
    """The widest band of many rows that fits the scratch memory; None if not even one row does.

    `shape`: the kernel's fields but for the band's and the quantisation; `outputs`: channels.
    """
    good = min(_GOOD_ROWS, shape["output_height"])
    channels = round_up(outputs, WORD_BYTES)
    best: tuple[int, int] | None = None
    for blocks in range(1, channels // WORD_BYTES + 1):
        width = round_up(-(-channels // blocks), WORD_BYTES)
        rows = _fitting_rows(shape, width)
        if rows and (best is None or rows > best[1]):
            best = width, rows
        if rows >= good:
            break
    if best is None:
        return None
    width, rows = best
    size_bytes = _input_rows(shape, rows) * _row_bytes(shape, width)
    return Band({"band_rows": rows, "band_channels": width}, size_bytes)


def _fitting_rows(shape: Mapping[str, int], channels: int) -> int:
    """Output rows whose input fits; 0 if not even one row's does."""
    lines = SCRATCH_BYTES // _row_bytes(shape, channels)
    span = _input_rows(shape, 1)
    if lines < span:
        return 0
    return min(1 + (lines - span) // shape["stride_height"], shape["output_height"])


def _input_rows(shape: Mapping[str, int], rows: int) -> int:
    taps = (shape["filter_height"] - 1) * shape["dilation_height"]
    return (rows - 1) * shape["stride_height"] + taps + 1


def _row_bytes(shape: Mapping[str, int], channels: int) -> int:
    taps = (shape["filter_width"] - 1) * shape["dilation_width"]
    return ((shape["output_width"] - 1) * shape["stride_width"] + taps + 1) * channels
