"""A block's accesses as the native side reads them (timer.h)."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Final

from usim.timing.linear import FIRST_CELL, Access, BlockAccesses, Cell, CellKind, Linear

_CELL_KINDS: Final[dict[CellKind, int]] = {
    "load": 0,
    "or": 1,
    "and": 2,
    "xor": 3,
    "lsr": 4,
    "asr": 5,
    "negate": 6,
}


class _Linear(ctypes.Structure):
    _fields_ = (
        ("offset", ctypes.c_uint32),
        ("terms", ctypes.c_uint8),
        ("places", ctypes.c_uint8 * 2),
        ("shifts", ctypes.c_uint8 * 2),
        ("reserved", ctypes.c_uint8 * 3),
    )


class NativeAccess(ctypes.Structure):
    """access_t."""

    _fields_ = (
        ("address", _Linear),
        ("size", ctypes.c_uint16),
        ("is_write", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8),
        ("transfers", ctypes.c_uint32),
    )


class _Cell(ctypes.Structure):
    _fields_ = (("source", _Linear), ("operand", ctypes.c_uint32), ("kind", ctypes.c_uint32))


class _AccessList(ctypes.Structure):
    _fields_ = (
        ("cells", ctypes.c_void_p),
        ("accesses", ctypes.c_void_p),
        ("cell_count", ctypes.c_uint32),
        ("access_count", ctypes.c_uint32),
        ("registers", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


class NativeAccesses:
    """access_list_t and what it points at."""

    def __init__(self, accesses: BlockAccesses) -> None:
        merged = accesses.merged
        self._cells = (_Cell * len(accesses.cells))(*(_native_cell(c) for c in accesses.cells))
        self._accesses = (NativeAccess * len(merged))(*(native_access(a) for a in merged))
        forms = [*(a.address for a in merged), *(c.source for c in accesses.cells)]
        self._list = _AccessList(
            ctypes.addressof(self._cells),
            ctypes.addressof(self._accesses),
            len(accesses.cells),
            len(merged),
            _registers_of(forms),
        )

    @property
    def pointer(self) -> int:
        """Its address; it has to live as long as native code may look at it."""
        return ctypes.addressof(self._list)


def native_access(access: Access) -> NativeAccess:
    """One access, as it is evaluated when its instruction runs."""
    return NativeAccess(
        address=_native_linear(access.address),
        size=access.size_bytes,
        is_write=int(access.is_write),
        transfers=access.transfers,
    )


def _native_linear(form: Linear) -> _Linear:
    native = _Linear(offset=form.constant & 0xFFFF_FFFF, terms=len(form.terms))
    for number, (place, shift) in enumerate(form.terms):
        native.places[number] = place
        native.shifts[number] = shift
    return native


def _native_cell(cell: Cell) -> _Cell:
    return _Cell(_native_linear(cell.source), cell.operand & 0xFFFF_FFFF, _CELL_KINDS[cell.kind])


def _registers_of(forms: Iterable[Linear]) -> int:
    mask = 0
    for form in forms:
        for place, _ in form.terms:
            mask |= 1 << place if place < FIRST_CELL else 0
    return mask
