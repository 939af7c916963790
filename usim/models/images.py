"""Pictures for a model's input: from PNG and JPEG files and .npz data sets to stored values."""

from __future__ import annotations

import io
import warnings
from enum import Enum
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from usim.errors import ArgumentError, ModelError
from usim.models.dataset import ImageDataset, read_dataset
from usim.models.graph import TensorSpec
from usim.models.model import Model, quantize

_MODES = {1: "L", 3: "RGB"}
_MAX_PIXELS = 1 << 26
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, MemoryError)
"""What Pillow raises for damaged files (SyntaxError is its own for broken PNG chunks)."""


class PixelRange(Enum):
    """The real values that pixels 0..255 stand for."""

    UNIT = (0.0, 1.0)
    SIGNED = (-1.0, 1.0)
    BYTE = (0.0, 255.0)

    @classmethod
    def of(cls, spec: TensorSpec) -> PixelRange:
        """Guess from what the input can hold: its largest value above 2 means 0..255; otherwise a
        smallest value below -0.5 means -1..1; otherwise 0..1."""
        if spec.quantization is None:
            raise ArgumentError(f"the input {spec} is not quantised; it takes no pictures")
        limits = np.iinfo(spec.dtype)
        if (limits.max - spec.zero_point) * spec.scale > 2:
            return cls.BYTE
        return cls.SIGNED if (limits.min - spec.zero_point) * spec.scale < -0.5 else cls.UNIT


def guess_pixel_range(model: Model, index: int = 0) -> PixelRange:
    """`PixelRange.of` a model's input or, for one of type float32, of what QUANTIZE makes of it.

    ArgumentError for an input that takes no pictures: it is neither quantised nor then quantised.
    """
    spec = model.inputs[index]
    for operator in model.graph.operators:
        if operator.kind == "QUANTIZE" and operator.inputs == (spec.index,):
            if spec.quantization is None:
                spec = model.graph.tensors[operator.outputs[0]]
            break
    return PixelRange.of(spec)


def load_image(path: str | Path, spec: TensorSpec) -> npt.NDArray[np.uint8]:
    """A PNG or JPEG file of any size as uint8 pixels [height, width, channels] of the input `spec`.

    The picture is turned upright as its EXIF data says, cropped around its centre to the input's
    aspect ratio, and resized with an antialiased bilinear filter; one that has the input's size
    keeps its pixels. Transparency is dropped; colour becomes grey where the input has one channel.
    ArgumentError for a file that is missing, damaged or not a PNG or JPEG.
    """
    try:
        with Path(path).open("rb") as file:
            return _decode(file, str(path), spec)
    except OSError as exc:
        raise ArgumentError(f"{path}: cannot read the picture: {exc.strerror}") from exc


def image_input(
    pixels: npt.NDArray[np.uint8], spec: TensorSpec, pixel_range: PixelRange | None = None
) -> npt.NDArray[Any]:
    """Pixels 0..255 to the stored values of input `spec`, with its shape.

    Pixel p stands for the real value low + (high - low) * p / 255 of `pixel_range` (by default
    `PixelRange.of(spec)`), which is quantised with the input's scale and zero point. With scale
    1/255 and zero point -128, and with scale 1 and zero point -128, that is p - 128.
    """
    height, width, channels = _image_shape(spec)
    if pixels.dtype != np.uint8 or pixels.shape != (height, width, channels):
        raise ArgumentError(
            f"pixels are {pixels.dtype}{list(pixels.shape)}; "
            f"the input takes uint8[{height}, {width}, {channels}]"
        )
    low, high = (pixel_range or PixelRange.of(spec)).value
    reals = low + (high - low) * pixels.astype(np.float64) / 255
    return quantize(spec, reals).reshape(spec.shape)


def load_dataset(path: str | Path, spec: TensorSpec) -> ImageDataset:
    """A .npz file of labelled pictures for input `spec`; see `usim.models.dataset`."""

    def decode(data: bytes, name: str) -> npt.NDArray[np.uint8]:
        return _decode(io.BytesIO(data), name, spec)

    return read_dataset(Path(path), _image_shape(spec), decode)


def _decode(file: IO[bytes], name: str, spec: TensorSpec) -> npt.NDArray[np.uint8]:
    from PIL import Image, ImageOps  # noqa: PLC0415 - tensors need no pictures

    height, width, channels = _image_shape(spec)
    try:
        with warnings.catch_warnings(), Image.open(file, formats=("PNG", "JPEG")) as image:
            warnings.simplefilter("ignore")  # about odd metadata; sizes are checked here
            if image.width * image.height > _MAX_PIXELS:
                raise ArgumentError(f"{name}: {image.width} x {image.height} pixels are too many")
            upright = ImageOps.exif_transpose(image).convert(_MODES[channels])
            if upright.size != (width, height):
                crop = upright.crop(_centre_box(upright.size, (width, height)))
                upright = crop.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(upright, dtype=np.uint8).reshape(height, width, channels)
    except (Image.DecompressionBombError, *_UNREADABLE) as exc:
        reason = " ".join(str(exc).split())
        raise ArgumentError(f"{name}: not a readable PNG or JPEG picture ({reason})") from exc


def _centre_box(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest centred box of `target`'s aspect ratio: left, upper, right, lower pixels."""
    factor = min(size[0] / target[0], size[1] / target[1])
    width = min(size[0], max(1, round(target[0] * factor)))
    height = min(size[1], max(1, round(target[1] * factor)))
    left, upper = (size[0] - width) // 2, (size[1] - height) // 2
    return left, upper, left + width, upper + height


def _image_shape(spec: TensorSpec) -> tuple[int, int, int]:
    """(height, width, channels) of an input that takes pictures."""
    if len(spec.shape) == 4 and spec.shape[0] == 1 and spec.shape[3] in _MODES:
        return spec.shape[1], spec.shape[2], spec.shape[3]
    raise ModelError(f"the input {spec} takes no pictures: it is not [1, height, width, 1 or 3]")
