"""Values as a test plan writes them: numbers in a row, shapes, sizes in KiB, files of numbers."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from usim.errors import ArgumentError

_UNITS: Final = {"": 1, "b": 1, "byte": 1, "bytes": 1, "kib": 1 << 10, "mib": 1 << 20}
_SIZE: Final = re.compile(r"(\d[\d_,]*)\s*([a-z]*)", re.IGNORECASE)


class Size(int):
    """A number of bytes: ``40960``, ``40_960``, ``40,960 bytes``, ``40 KiB`` or ``1 MiB``."""

    @classmethod
    def parse(cls, value: str | int) -> Size:
        """Read a size; ValueError if it is none."""
        found = _SIZE.fullmatch(str(value).strip())
        if not found or found[2].lower() not in _UNITS:
            raise ValueError("a size is a number of bytes, KiB or MiB, for instance 40 KiB")
        return cls(int(found[1].replace(",", "")) * _UNITS[found[2].lower()])


class Shape(tuple[int, ...]):
    """Extents of a tensor: ``5``, ``2x3`` or ``2, 3``; a list of integers as well."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: str | int | list[int] | tuple[int, ...]) -> Shape:
        """Read a shape; ValueError if it is none."""
        try:
            if isinstance(value, str):
                return cls(int(part) for part in re.split(r"\s*[x,]\s*|\s+", value.strip("[]() ")))
            return cls([value] if isinstance(value, int) else value)
        except (TypeError, ValueError) as exc:
            raise ValueError("a shape is written as 5 or as 2x3") from exc


def parse_values(values: object, folder: Path) -> npt.NDArray[Any]:
    """Numbers in a row (`1 2 3` or `1, 2, 3`), a nested list, or the name of a .npy file.

    A relative file name is looked for in `folder`. Sequences and arrays are taken as they are.
    """
    try:
        if not isinstance(values, str | Path):
            return np.asarray(values)
        text = str(values).strip()
        if text.endswith(".npy"):
            return load_array(folder / text)
        if text.startswith(("[", "(")):
            return np.asarray(ast.literal_eval(text))
        return np.asarray([_number(word) for word in re.split(r"[,\s]+", text)])
    except (SyntaxError, ValueError, TypeError, OverflowError) as exc:
        raise ArgumentError(f"{values!r} is neither a row of numbers nor a .npy file") from exc


def load_array(file: Path) -> npt.NDArray[Any]:
    """Read a .npy file; ArgumentError if it is missing or damaged."""
    try:
        array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or " ".join(str(exc).split())
        raise ArgumentError(f"cannot read {file}: {reason}") from exc
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"{file} is an archive of arrays; one array (.npy) is needed")
    return array


def convert_exactly(values: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """As `dtype`; ArgumentError if that would lose more than a fraction's last digits."""
    try:
        wanted = np.dtype(dtype)
    except TypeError as exc:
        raise ArgumentError(f"{dtype!r} is no element type; float32 and int8 are") from exc
    if values.dtype.kind not in "biuf":
        raise ArgumentError(f"{values.tolist()!s:.60} are not numbers")
    with np.errstate(all="ignore"):
        converted = values.astype(wanted)
    lost = wanted.kind in "biu" and not np.array_equal(converted, values)
    overflown = wanted.kind == "f" and not np.array_equal(np.isinf(converted), np.isinf(values))
    if lost or overflown:
        raise ArgumentError(f"{values.tolist()!s:.60} cannot be kept as {wanted}")
    return converted


def _number(word: str) -> int | float:
    number = parse_number(word)
    if number is None:
        raise ValueError(f"{word!r} is no number")
    return number


def parse_number(text: str) -> int | float | None:
    """`5`, `0x2000_0000`, `-1.5e3`; None if the text is no number."""
    for convert in (lambda word: int(word, 0), float):
        try:
            number: int | float = convert(text)
        except ValueError:
            continue
        return number
    return None


def describe_difference(
    got: npt.NDArray[Any], expected: npt.NDArray[Any], tolerance: float = 0
) -> str:
    """How an array differs from what was expected of it, in a line; nothing if it doesn't."""
    if got.shape != expected.shape:
        return f"expected the shape {_extents(expected)}, got {_extents(got)}"
    if tolerance:
        differs = ~np.isclose(got, expected, rtol=0, atol=tolerance, equal_nan=True)
    else:
        differs = (got != expected) & ~(np.isnan(got) & np.isnan(expected))
    count = int(np.count_nonzero(differs))
    if not count:
        return ""
    index = np.unravel_index(int(differs.reshape(-1).argmax()), got.shape)
    at = ", ".join(str(int(extent)) for extent in index)
    by = f" by more than {tolerance:g}" if tolerance else ""
    return (
        f"{count:,} of {got.size:,} values differ{by}, the first at [{at}]: "
        f"expected {expected[index]}, got {got[index]}"
    )


def _extents(array: npt.NDArray[Any]) -> str:
    return "x".join(map(str, array.shape)) or "of one number"
