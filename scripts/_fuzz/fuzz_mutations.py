"""Changes to a model's file that know what its bytes mean."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import tflite
from fuzz_layout import Layout, Part

from usim.models.operators import OPERATORS

_INTEGERS: Final = (
    0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 255, 256, 4095, 4096, 32767, 32768, 65535, 65536,
    65537, 2**20, 2**24, 2**29, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1,
    -1, -2, -3, -4, -127, -128, -129, -32768, -65536, -(2**31), -(2**63),
)  # fmt: skip
_FLOATS: Final = (
    0.0, -0.0, 1.0, -1.0, 0.5, 1 / 256, 1 / 128, 1e-45, 1e-38, 1e-20, 1e-6, 1e6, 1e20, 3.4e38,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
_CODES: Final = tuple(
    (getattr(tflite.BuiltinOperator, kind), recipe.options_type)
    for kind, recipe in OPERATORS.items()
)
_DAMAGED_SHARE: Final = 0.3
"""Of inputs, what may be no sound flatbuffer; most of them are refused at once."""

Change = Callable[[Random, bytearray, Layout, Sequence[Layout]], None]


def mutate(rng: Random, layout: Layout, others: Sequence[Layout]) -> bytes:
    """A changed copy of a file; `others` are what may be spliced into it."""
    data = bytearray(layout.data)
    changes = _VALUE_CHANGES
    if rng.random() < _DAMAGED_SHARE:
        changes = {**_VALUE_CHANGES, **_STRUCTURE_CHANGES}
    else:
        layout = layout.values_only()
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        (change,) = rng.choices(list(changes), list(changes.values()))
        change(rng, data, layout, others)
        if len(data) < 8:
            break
    return bytes(data)


def _item(rng: Random, data: bytearray, part: Part) -> int | None:
    """The place of one item of a part, where an earlier change has not cut it off."""
    place = part.start + rng.randrange(part.size_bytes // part.item_bytes) * part.item_bytes
    return place if place + part.item_bytes <= len(data) else None


def _put(data: bytearray, place: int | None, value: int, size_bytes: int) -> None:
    if place is not None:
        kept = value & ((1 << 8 * size_bytes) - 1)
        data[place : place + size_bytes] = kept.to_bytes(size_bytes, "little")


def _get(data: bytearray, place: int, size_bytes: int) -> int:
    return int.from_bytes(data[place : place + size_bytes], "little", signed=True)


def change_byte(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    """Any byte of the structure, or now and then of the weights."""
    parts = layout.constants if layout.constants and rng.random() < 0.05 else layout.structure
    part = rng.choice(parts)
    place = part.start + rng.randrange(part.size_bytes)
    if place < len(data):
        data[place] = rng.choice((data[place] ^ 1 << rng.randrange(8), rng.randrange(256)))


def change_number(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    """A number to one at an edge, or to one close to what it was."""
    part = rng.choice(layout.structure)
    place = _item(rng, data, part)
    if place is None:
        return
    value = rng.choice(_INTEGERS)
    if rng.random() < 0.4:
        old = _get(data, place, part.item_bytes)
        value = rng.choice((old + 1, old - 1, old * 2, old // 2, -old, old + 4, old ^ 0x8000_0000))
    _put(data, place, value, part.item_bytes)


def change_scale(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    parts = layout.named("QuantizationParameters.scale items")
    if parts and (place := _item(rng, data, rng.choice(parts))) is not None:
        value = rng.choice(_FLOATS)
        if rng.random() < 0.3:
            (old,) = struct.unpack_from("<f", data, place)
            value = max(-3e38, min(3e38, old * rng.choice((0.001, 0.5, 2, 1000, 1e6, 1e-6))))
        struct.pack_into("<f", data, place, value)


def change_vector(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    """An item of a vector of indices, extents or zero points to that of another such vector."""
    what = rng.choice(_VECTORS)
    parts = layout.named(what)
    if not parts:
        return
    target, source = rng.choice(parts), rng.choice(parts)
    place, other = _item(rng, data, target), _item(rng, data, source)
    if place is not None and other is not None:
        _put(data, place, _get(data, other, source.item_bytes), target.item_bytes)


_VECTORS: Final = (
    "Operator.inputs items", "Operator.outputs items", "SubGraph.inputs items",
    "SubGraph.outputs items", "Tensor.shape items", "Tensor.shape items", "Tensor.buffer",
    "Tensor.type", "QuantizationParameters.zero_point items", "Operator.builtin_options_type",
)  # fmt: skip


def scale_shapes(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    """One extent to another value wherever a shape has it: the file may stay consistent."""
    parts = layout.named("Tensor.shape items")
    if not parts or (place := _item(rng, data, rng.choice(parts))) is None:
        return
    old, new = _get(data, place, 4), rng.choice((*_INTEGERS[:24], 5, 6, 9, 12, 1000, 10**6))
    for part in parts:
        for at in range(part.start, min(part.start + part.size_bytes, len(data) - 3), 4):
            if _get(data, at, 4) == old:
                _put(data, at, new, 4)


def swap_indices(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    parts = layout.named("Operator.inputs items") + layout.named("Operator.outputs items")
    if not parts:
        return
    one, two = (_item(rng, data, rng.choice(parts)) for _ in range(2))
    if one is not None and two is not None:
        first, second = _get(data, one, 4), _get(data, two, 4)
        _put(data, one, second, 4)
        _put(data, two, first, 4)


def change_operator(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    """Another operator on the same tensors."""
    code, options = rng.choice(_CODES)
    which = rng.randrange(4)
    for name, value in (
        ("OperatorCode.builtin_code", code),
        ("OperatorCode.deprecated_builtin_code", min(code, 127)),
        ("Operator.builtin_options_type", options),
    ):
        parts = layout.named(name)
        if parts and value is not None:
            part = parts[which % len(parts)]
            _put(data, part.start if part.start < len(data) else None, value, part.item_bytes)


def change_length(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    parts = [part for part in layout.structure if part.what.endswith(" length")]
    part = rng.choice(parts)
    if part.start + 4 <= len(data):
        old = _get(data, part.start, 4)
        _put(data, part.start, rng.choice((old + 1, old - 1, 0, old * 2, *_INTEGERS)), 4)


def redirect(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    """An offset to where another one of its kind leads, or anywhere ahead."""
    part = rng.choice(layout.offsets)
    same = [other for other in layout.offsets if other.what == part.what]
    place, other = _item(rng, data, part), _item(rng, data, rng.choice(same))
    if place is None or other is None:
        return
    target = other + _get(data, other, 4)
    if rng.random() < 0.3:
        target = rng.randrange(0, len(data), rng.choice((1, 4)))
    _put(data, place, target - place, 4)


def cut(rng: Random, data: bytearray, *_: object) -> None:
    """The end off, a stretch out, or a stretch in twice."""
    start = rng.randrange(len(data))
    length = rng.choice((1, 4, 16, 64, 4 * rng.randrange(1, 100)))
    match rng.randrange(3):
        case 0:
            del data[start:]
        case 1:
            del data[start : start + length]
        case _:
            data[start:start] = data[start : start + length]


def splice(rng: Random, data: bytearray, _: Layout, others: Sequence[Layout]) -> None:
    """The beginning of one file and the end of another."""
    other = rng.choice(others).data
    start = rng.randrange(0, len(data), 4)
    data[start:] = other[start if rng.random() < 0.5 else rng.randrange(0, len(other), 4) :]


def repeat_offset(rng: Random, data: bytearray, layout: Layout, _: Sequence[Layout]) -> None:
    """All items of a vector of tables to the same one."""
    parts = [part for part in layout.offsets if part.what.endswith(" items")]
    if not parts:
        return
    part = rng.choice(parts)
    place = _item(rng, data, part)
    if place is None:
        return
    target = place + _get(data, place, 4)
    for at in range(part.start, min(part.start + part.size_bytes, len(data) - 3), 4):
        _put(data, at, target - at, 4)


_VALUE_CHANGES: Final[dict[Change, int]] = {
    change_byte: 3,
    change_number: 6,
    change_scale: 3,
    change_vector: 6,
    scale_shapes: 5,
    swap_indices: 3,
    change_operator: 6,
}
_STRUCTURE_CHANGES: Final[dict[Change, int]] = {
    change_byte: 12,
    change_length: 4,
    redirect: 8,
    cut: 4,
    splice: 4,
    repeat_offset: 4,
}
