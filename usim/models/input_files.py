"""A model's inputs from files as people have them: .npy, .npz, pictures, raw bytes, a pipe.

Real numbers are quantised as the input says, numbers of the input's own type are stored as they
are. A leading batch extent of 1 may be left out.
"""

from __future__ import annotations

import io
import tokenize
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from usim.errors import ArgumentError
from usim.models.dataset import ARCHIVE_DAMAGE
from usim.models.images import PixelRange, guess_pixel_range, image_input, load_image
from usim.models.model import Model

STDIN = "-"
_PICTURES = (".png", ".jpg", ".jpeg")
_SOUND = (".wav", ".mp3", ".flac")
_ARRAYS = (".npy", ".npz")
# How .npy and zip files begin; .npz files are the latter. Only a pipe's content is looked at so.
_NPY_MAGIC, _ZIP_MAGIC = b"\x93NUMPY", b"PK\x03\x04"
_MAX_BYTES = 1 << 30
_DAMAGE = (OSError, SyntaxError, tokenize.TokenError, *ARCHIVE_DAMAGE)
"""What numpy raises for damaged files (the second and third while it reads a .npy's header)."""

Stored = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class InputSet:
    """The inputs of one inference, as stored values in the model's order, and their files."""

    name: str
    stored: tuple[Stored, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """One file for the model: `position` is the input that it was named for."""

    text: str
    file: str
    position: int | None


class InputFiles:
    """Collects files until every input of the model has its values, then begins anew.

    `[NAME=]FILE`: NAME is an input's name or index; without it the file feeds the first input that
    has no values yet. A .npz file of several arrays feeds all, by name, or as input_0, input_1 ...
    """

    def __init__(
        self, model: Model, stdin: IO[bytes], pixel_range: PixelRange | None = None
    ) -> None:
        self._model = model
        self._stdin = stdin
        self._pixel_range = pixel_range
        self._values: dict[int, Stored] = {}
        self._names: list[str] = []
        self._read_stdin = False

    def read(self, texts: Sequence[str]) -> list[InputSet]:
        """All inferences that the files are inputs of. ArgumentError names the file, and why."""
        found = []
        for text in texts:
            self._feed(self._source(text))
            if len(self._values) == len(self._model.inputs):
                stored = tuple(self._values[index] for index in sorted(self._values))
                found.append(InputSet(", ".join(self._names), stored))
                self._values, self._names = {}, []
        if self._values:
            missing = [self._named(i) for i in self._all() if i not in self._values]
            raise ArgumentError(
                f"{self._model.name} has {len(self._model.inputs)} inputs; nothing was given for "
                + ", ".join(missing)
            )
        return found

    def _source(self, text: str) -> _Source:
        """Split NAME=FILE; a file whose own name has a = in it is no name of an input."""
        name, equals, file = text.partition("=")
        if equals:
            for index in self._all():
                if name in (self._model.inputs[index].name, str(index)):
                    return _Source(text, file, index)
            if not Path(text).exists():
                known = ", ".join(map(self._named, self._all()))
                raise ArgumentError(f"{text}: no input is called {name!r} (inputs: {known})")
        return _Source(text, text, None)

    def _feed(self, source: _Source) -> None:
        content = self._content(source)
        try:
            if isinstance(content, dict):
                self._feed_all(content)
            else:
                position = self._position(source)
                self._values[position] = self._stored(content, position)
        except ArgumentError as exc:
            raise ArgumentError(f"{_shown(source.file)}: {exc}") from exc
        self._names.append(_shown(source.file))

    def _feed_all(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take every input's array out of an archive."""
        if self._values:
            raise ArgumentError("an archive of several arrays must come before other files")
        for index in self._all():
            names = (self._model.inputs[index].name, f"input_{index}")
            name = next((name for name in names if name in arrays), None)
            if name is None:
                raise ArgumentError(
                    f"has no array {names[0]} or {names[1]} (it has {', '.join(sorted(arrays))})"
                )
            self._values[index] = self._stored(arrays[name], index)

    def _position(self, source: _Source) -> int:
        if source.position is None:
            return next(index for index in self._all() if index not in self._values)
        if source.position in self._values:
            raise ArgumentError(f"input {self._named(source.position)} has values already")
        return source.position

    def _content(self, source: _Source) -> npt.NDArray[Any] | dict[str, npt.NDArray[Any]] | bytes:
        """A file's array, an archive's arrays if they are not one, or raw bytes."""
        suffix = Path(source.file).suffix.lower()
        if suffix in _PICTURES:
            position = self._position(source)
            spec = self._model.inputs[position]
            pixels = load_image(source.file, spec)
            pixel_range = self._pixel_range or guess_pixel_range(self._model, position)
            return image_input(pixels, spec, pixel_range)
        if suffix in _SOUND:
            raise ArgumentError(
                f"{source.file}: usim makes no features of sound; save the model's input as .npy"
            )
        data = self._bytes(source.file)
        is_array = suffix in _ARRAYS
        if source.file == STDIN:
            is_array = data.startswith((_NPY_MAGIC, _ZIP_MAGIC))
        if not is_array:
            return data
        arrays = _read_arrays(data, _shown(source.file), suffix or ".npy")
        if not isinstance(arrays, dict) or (len(arrays) > 1 and source.position is None):
            return arrays
        if len(arrays) > 1:
            raise ArgumentError(f"{source.text}: holds several arrays; one input takes one")
        return next(iter(arrays.values()))

    def _bytes(self, file: str) -> bytes:
        shown = _shown(file)
        try:
            if file == STDIN:
                if self._read_stdin:
                    raise ArgumentError(f"{shown} can be read only once")
                self._read_stdin = True
                data = self._stdin.read(_MAX_BYTES + 1)
            else:
                with Path(file).open("rb") as stream:
                    data = stream.read(_MAX_BYTES + 1)
        except (OSError, ValueError) as exc:  # ValueError: a null byte in the name
            reason = exc.strerror if isinstance(exc, OSError) else str(exc)
            raise ArgumentError(f"cannot read {shown}: {reason}") from exc
        if len(data) > _MAX_BYTES:
            raise ArgumentError(f"{shown} holds more than {_MAX_BYTES >> 30} GiB")
        return data

    def _stored(self, content: npt.NDArray[Any] | bytes, index: int) -> Stored:
        if isinstance(content, bytes):
            return self._raw(content, index)
        return self._model.stored_input(content, index)

    def _raw(self, data: bytes, index: int) -> Stored:
        spec = self._model.inputs[index]
        if len(data) != spec.size_bytes:
            raise ArgumentError(
                f"{len(data):,} raw bytes; {spec} takes {spec.size_bytes:,} as stored (real "
                "numbers go into a .npy file)"
            )
        values = np.frombuffer(data, spec.numpy_dtype().newbyteorder("<"))
        return values.astype(spec.numpy_dtype()).reshape(spec.shape)

    def _all(self) -> range:
        return range(len(self._model.inputs))

    def _named(self, index: int) -> str:
        return f"{index} '{self._model.inputs[index].name}'"


def _read_arrays(
    data: bytes, name: str, suffix: str
) -> npt.NDArray[Any] | dict[str, npt.NDArray[Any]]:
    """The array of a .npy file, or those of a .npz file by name."""
    try:
        if data.startswith(_ZIP_MAGIC[:2]):  # an empty archive begins with another signature
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
                    raise ArgumentError(f"{name} holds more than {_MAX_BYTES >> 30} GiB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numpy's, about headers that Python 2 wrote
            loaded = np.load(io.BytesIO(data), allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            with loaded:
                arrays = {key: loaded[key] for key in loaded.files}
    except _DAMAGE as exc:
        reason = " ".join(str(exc).split())[:200]
        raise ArgumentError(f"{name} is no {suffix} array: {reason}") from exc
    if not arrays or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ArgumentError(f"{name} holds something else than arrays, or nothing")
    return arrays


def _shown(file: str) -> str:
    return "standard input" if file == STDIN else file
