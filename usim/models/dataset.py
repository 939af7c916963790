"""Reads .npz data sets of labelled pictures.

Two layouts: `images` (uint8 [n, height, width, channels]) and `labels`; or `jpeg` (uint8, the bytes
of all files one after the other), `offsets` (n + 1 indices into it) and `labels`. Labels are class
indices.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from usim.errors import ArgumentError

Pixels = npt.NDArray[np.uint8]
Decode = Callable[[bytes, str], Pixels]
"""Turns a JPEG file's bytes, with a name for messages, into pixels."""

ARCHIVE_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile and numpy raise for damaged, encrypted or foreign archives."""

_MAX_BYTES = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class ImageDataset:
    """Labelled pictures; they are decoded one at a time, when asked for."""

    file: str
    labels: npt.NDArray[np.int64]
    _picture: Callable[[int], Pixels]

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Pixels:
        """uint8 pixels [height, width, channels] of picture `index`."""
        if not 0 <= index < len(self):
            raise ArgumentError(f"{self.file}: picture {index} of {len(self)}")
        return self._picture(index)

    def label(self, index: int) -> int:
        return int(self.labels[index])


def read_dataset(path: Path, shape: tuple[int, int, int], decode: Decode) -> ImageDataset:
    """Open a data set of pictures of `shape`; ArgumentError if it is damaged or does not fit."""
    arrays = _load(path)
    if "labels" not in arrays or not ({"images"} <= arrays.keys() or arrays.keys() >= _JPEG_KEYS):
        found = ", ".join(sorted(arrays)) or "nothing"
        raise ArgumentError(
            f"{path}: needs the arrays images and labels, or jpeg, offsets and labels; has {found}"
        )
    labels = arrays["labels"]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ArgumentError(f"{path}: labels must be one row of integers")
    if "images" in arrays:
        picture = _pictures(path, arrays["images"], shape)
        count = len(arrays["images"])
    else:
        picture = _jpeg_pictures(path, arrays["jpeg"], arrays["offsets"], decode)
        count = len(arrays["offsets"]) - 1
    if count != len(labels) or count < 1:
        raise ArgumentError(f"{path}: {count} pictures but {len(labels)} labels")
    return ImageDataset(str(path), labels.astype(np.int64), picture)


_JPEG_KEYS = {"jpeg", "offsets"}


def _load(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
                raise ArgumentError(f"{path}: holds more than {_MAX_BYTES >> 30} GiB")
        with np.load(path, allow_pickle=False) as stored:
            names = [name for name in stored.files if name in {"images", "labels", *_JPEG_KEYS}]
            return {name: np.asarray(stored[name]) for name in names}
    except FileNotFoundError as exc:
        raise ArgumentError(f"{path}: no such file") from exc
    except (OSError, *ARCHIVE_DAMAGE) as exc:
        reason = " ".join(str(exc).split())
        raise ArgumentError(f"{path}: not a readable .npz data set ({reason})") from exc


def _pictures(
    path: Path, images: npt.NDArray[Any], shape: tuple[int, int, int]
) -> Callable[[int], Pixels]:
    if images.dtype != np.uint8 or images.shape[1:] != shape:
        raise ArgumentError(
            f"{path}: images are {images.dtype}{list(images.shape)}; "
            f"the model takes uint8 pictures of {list(shape)}"
        )

    def picture(index: int) -> Pixels:
        pixels: Pixels = images[index]
        return pixels

    return picture


def _jpeg_pictures(
    path: Path, jpeg: npt.NDArray[Any], offsets: npt.NDArray[Any], decode: Decode
) -> Callable[[int], Pixels]:
    ordered = (
        offsets.ndim == 1
        and np.issubdtype(offsets.dtype, np.integer)
        and len(offsets) >= 1
        and offsets[0] >= 0
        and bool(np.all(offsets[:-1] <= offsets[1:]))
    )
    if jpeg.dtype != np.uint8 or jpeg.ndim != 1 or not ordered or offsets[-1] > jpeg.size:
        raise ArgumentError(f"{path}: offsets do not divide the bytes of jpeg")

    def picture(index: int) -> Pixels:
        data = jpeg[int(offsets[index]) : int(offsets[index + 1])].tobytes()
        return decode(data, f"{path}: picture {index}")

    return picture
