"""Checks that every offset of an untrusted flatbuffer leads to what the schema says, in its bounds.

After that, accessors generated from the schema can read it without looking. The layout is that of
FlatBuffers' internals document: a table starts with the signed distance to its vtable, which has
its own size, the table's, and where each field is in the table (0: it is absent). Offsets to
tables, vectors and strings are unsigned and count from where they stand.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from usim.errors import ModelError

_MAX_SHARING: Final = 4
"""How often the file's bytes may be reached: writers share some tables, an attacker shares all."""
_SPARE_BYTES: Final = 4096
"""Reached beyond that, so that small files may share more: most of theirs are alike."""
_OFFSET_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number in the table itself."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Text:
    """A string, which ends with a zero byte that does not count."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A vector of numbers."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class TableType:
    """A table's fields by name, in the schema's order; absent ones are None: nobody reads them.

    A schema whose tables do not contain themselves bounds how deep they nest.
    """

    name: str
    fields: Mapping[str, Field] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tables:
    """A vector of tables, `most` at most."""

    type: TableType
    most: int


@dataclass(frozen=True, slots=True)
class Union:
    """A table whose type the byte in the field `tag` says; others are not looked into."""

    tag: str
    types: Mapping[int, TableType]


Field = Scalar | Text | Numbers | TableType | Tables | Union | None

Visit = Callable[[str, int, int, int], None]
"""Told of each part: what it is, where it starts, its bytes, and the bytes of a number in it."""


def check_flatbuffer(data: bytes, root: TableType, visit: Visit | None = None) -> None:
    """Raise ModelError (without a file's name) unless `data` is a flatbuffer of type `root`."""
    _Checker(data, visit or (lambda *_: None)).root(root)


class _Checker:
    """One pass over one file, from the root. Positions are bytes from the file's start."""

    def __init__(self, data: bytes, visit: Visit) -> None:
        self._data = data
        self._visit = visit
        self._budget = len(data) * _MAX_SHARING + _SPARE_BYTES

    def root(self, kind: TableType) -> None:
        self._table(kind, self._target(0, kind.name))

    def _table(self, kind: TableType, start: int) -> None:
        vtable = self._vtable(kind, start)
        self._reach(_OFFSET_BYTES * (1 + len(vtable)))
        self._visit(f"{kind.name} offset", start, _OFFSET_BYTES, _OFFSET_BYTES)
        for (name, item), offset in zip(kind.fields.items(), vtable, strict=False):
            if offset and item is not None:
                self._field(item, start + offset, f"{kind.name}.{name}")
                if isinstance(item, Union):
                    self._union(kind, item, start, vtable, name)

    def _vtable(self, kind: TableType, start: int) -> tuple[int, ...]:
        """The fields' places in the table at `start`."""
        what = f"the vtable of {kind.name}"
        self._expect(start, _OFFSET_BYTES, _OFFSET_BYTES, kind.name)
        (distance,) = struct.unpack_from("<i", self._data, start)
        vtable = start - distance
        self._expect(vtable, 4, 2, what)
        (size_bytes,) = struct.unpack_from("<H", self._data, vtable)
        if size_bytes < 4 or size_bytes % 2:
            raise _damaged(f"{what} has {size_bytes} bytes")
        self._expect(vtable, size_bytes, 2, what)
        self._visit(what, vtable, size_bytes, 2)
        count = min(size_bytes // 2 - 2, len(kind.fields))
        return struct.unpack_from(f"<{count}H", self._data, vtable + 4)

    def _field(self, item: Field, place: int, what: str) -> None:
        size_bytes = item.size_bytes if isinstance(item, Scalar) else _OFFSET_BYTES
        self._expect(place, size_bytes, size_bytes, what)
        self._visit(what, place, size_bytes, size_bytes)
        match item:
            case Text():
                self._text(self._target(place, what), what)
            case Numbers():
                self._vector(self._target(place, what), item.size_bytes, what)
            case Tables():
                self._tables(item, self._target(place, what), what)
            case TableType():
                self._table(item, self._target(place, what))

    def _union(
        self, kind: TableType, item: Union, start: int, vtable: tuple[int, ...], name: str
    ) -> None:
        names = list(kind.fields)
        place, tag = vtable[names.index(name)], vtable[names.index(item.tag)]
        # The tag's field comes first in the schema, so it has been checked.
        member = item.types.get(self._data[start + tag] if tag else 0)
        if member is not None:
            self._table(member, self._target(start + place, f"{kind.name}.{name}"))

    def _tables(self, item: Tables, start: int, what: str) -> None:
        count = self._vector(start, _OFFSET_BYTES, what)
        if count > item.most:
            raise ModelError(f"{count} in {what}; at most {item.most} are supported")
        for place in range(start + 4, start + 4 + count * _OFFSET_BYTES, _OFFSET_BYTES):
            self._table(item.type, self._target(place, what))

    def _text(self, start: int, what: str) -> None:
        end = start + 4 + self._vector(start, 1, what)
        self._expect(end, 1, 1, what)
        if self._data[end]:
            raise _damaged(f"{what} does not end with a zero byte")

    def _vector(self, start: int, item_bytes: int, what: str) -> int:
        """How many items the vector has whose length is at `start`."""
        self._expect(start, 4, 4, what)
        count: int = struct.unpack_from("<I", self._data, start)[0]
        if count:
            self._expect(start + 4, count * item_bytes, item_bytes, what)
        self._reach(4 + count * item_bytes)
        self._visit(f"{what} length", start, 4, 4)
        self._visit(f"{what} items", start + 4, count * item_bytes, item_bytes)
        return count

    def _target(self, place: int, what: str) -> int:
        """Where the offset at `place` leads."""
        self._expect(place, _OFFSET_BYTES, _OFFSET_BYTES, what)
        (distance,) = struct.unpack_from("<I", self._data, place)
        if not distance:
            raise _damaged(f"the offset to {what} is 0")
        target: int = place + distance
        return target

    def _expect(self, start: int, size_bytes: int, alignment: int, what: str) -> None:
        if start < 0 or start + size_bytes > len(self._data):
            raise _damaged(
                f"{what} would be bytes {start} to {start + size_bytes} of {len(self._data)}"
            )
        if start % alignment:
            raise _damaged(f"{what} at byte {start} is not aligned to {alignment}")

    def _reach(self, size_bytes: int) -> None:
        self._budget -= size_bytes
        if self._budget < 0:
            raise ModelError("the TFLite file is damaged (its tables or vectors overlap)")


def _damaged(message: str) -> ModelError:
    return ModelError(f"the TFLite file is truncated or damaged ({message})")
