"""The memory protection unit: PMSAv7's registers and what they allow (DDI 0403E B3.5).

What is denied is found by the native side, before each block and, while loads and stores may be
denied, before each of them, which makes those slow: about 30 MIPS.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from usim.timing.counter import InstructionCounter

MPU_TYPE: Final = 0xE000_ED90
MPU_CTRL: Final = 0xE000_ED94
MPU_RNR: Final = 0xE000_ED98
MPU_RBAR: Final = 0xE000_ED9C
_LAST: Final = 0xE000_EDB8

_ENABLE, _HFNMIENA, _PRIVDEFENA = 1 << 0, 1 << 1, 1 << 2
_READ, _WRITE, _EXECUTE = 1, 2, 4
_DATA: Final = _READ | _WRITE
_MAX_REGIONS: Final = 16
_RBAR_VALID: Final = 1 << 4
_RASR_BITS: Final = 0x173F_FF3F
_XN: Final = 1 << 28
_SMALLEST_BITS: Final = 5
_SMALLEST_WITH_SUBREGIONS: Final = 8
# Privileged and unprivileged rights by AP (table B3-15); 4 is reserved.
_RIGHTS: Final = (
    (0, 0),
    (_DATA, 0),
    (_DATA, _READ),
    (_DATA, _DATA),
    (0, 0),
    (_READ, 0),
    (_READ, _READ),
    (_READ, _READ),
)


class _Region(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint32)
        for name in ("first", "last", "subregion_shift", "disabled", "privileged", "unprivileged")
    )


class _Protection(ctypes.Structure):
    """struct protection of protection.h."""

    _fields_ = (
        ("counter", ctypes.c_void_p),
        ("enabled", ctypes.c_uint32),
        ("background", ctypes.c_uint32),
        ("in_hardfault", ctypes.c_uint32),
        ("region_count", ctypes.c_uint32),
        ("regions", _Region * _MAX_REGIONS),
        ("denied_address", ctypes.c_uint32),
        ("denied_size", ctypes.c_uint32),
        ("old_bytes", ctypes.c_uint8 * 16),
    )


@dataclass(slots=True)
class _Registers:
    base: int = 0
    attributes: int = 0


class Mpu:
    """The unit; `on_change` is called when what it may deny has changed."""

    addresses = frozenset(range(MPU_TYPE, _LAST + 4, 4))
    not_merged: frozenset[int] = frozenset()

    def __init__(self, counter: InstructionCounter, regions: int) -> None:
        self._counter = counter
        self._library = counter.library
        self._state = _Protection()
        assert ctypes.sizeof(self._state) == self._library.usim_protection_size()
        self._state.counter = counter.pointer
        self._count = regions
        self.on_change: Callable[[], None] = lambda: None
        # Whether any code writes CONTROL.
        self.expects_unprivileged = False
        self.reset()

    @property
    def pointer(self) -> int:
        """The address of the native state."""
        return ctypes.addressof(self._state)

    def reset(self) -> None:
        """Off."""
        self._control = self._selected = 0
        self._regions = [_Registers() for _ in range(self._count)]
        self._apply()

    def expect_unprivileged(self) -> None:
        """The program writes CONTROL: not all of its code may be privileged."""
        if not self.expects_unprivileged:
            self.expects_unprivileged = True
            self.on_change()

    # What it denies.

    @property
    def may_deny_data(self) -> bool:
        """Whether any load or store of the code that runs could be denied."""
        if not self._state.enabled:
            return False
        regions = self._state.regions[: self._state.region_count]
        if any(region.privileged & _DATA != _DATA for region in regions):
            return True
        return not self._state.background or self.expects_unprivileged

    def denies(self, address: int, size_bytes: int, *, is_write: bool) -> bool:
        """Whether the core itself may not access this, as what runs now."""
        if not self._control & _ENABLE:
            return False
        right = _WRITE if is_write else _READ
        return bool(self._library.usim_protection_denies(self.pointer, address, size_bytes, right))

    @property
    def denied(self) -> tuple[int, bytes]:
        """The address of the access that ended the run, and what a store there has overwritten."""
        size = self._state.denied_size
        return int(self._state.denied_address), bytes(self._state.old_bytes[:size])

    # Registers.

    def read(self, address: int) -> int:
        """A word; the aliases RBAR_A1 to RASR_A3 are RBAR and RASR."""
        if address == MPU_TYPE:
            return self._count << 8
        if address == MPU_CTRL:
            return self._control
        if address == MPU_RNR:
            return self._selected
        if self._selected >= self._count:
            return 0
        region = self._regions[self._selected]
        is_base = (address - MPU_RBAR) % 8 == 0
        return region.base | self._selected & 0xF if is_base else region.attributes

    def write(self, address: int, value: int) -> None:
        """A word."""
        if address == MPU_CTRL:
            self._control = value & (_ENABLE | _HFNMIENA | _PRIVDEFENA)
        elif address == MPU_RNR:
            self._selected = value & 0xFF
        elif address != MPU_TYPE:
            self._set_region(value, is_base=(address - MPU_RBAR) % 8 == 0)
        self._apply()

    def _set_region(self, value: int, *, is_base: bool) -> None:
        if is_base and value & _RBAR_VALID:
            self._selected = value & 0xF
        if self._selected >= self._count:
            return
        region = self._regions[self._selected]
        if is_base:
            region.base = value & ~0x1F
        else:
            region.attributes = value & _RASR_BITS

    def _apply(self) -> None:
        state = self._state
        state.enabled = self._control & _ENABLE
        state.in_hardfault = self._control & _HFNMIENA
        state.background = self._control & _PRIVDEFENA
        enabled = [region for region in self._regions if region.attributes & 1]
        for place, region in enumerate(enabled):
            state.regions[place] = _native_region(region)
        state.region_count = len(enabled)
        self._counter.attach_protection(self.pointer if state.enabled else None)
        self.on_change()


def _native_region(region: _Registers) -> _Region:
    bits = max((region.attributes >> 1 & 0x1F) + 1, _SMALLEST_BITS)
    size = 1 << bits
    first = region.base & ~(size - 1)
    privileged, unprivileged = _RIGHTS[region.attributes >> 24 & 7]
    if not region.attributes & _XN:  # what can't be read can't be executed
        privileged |= _EXECUTE if privileged & _READ else 0
        unprivileged |= _EXECUTE if unprivileged & _READ else 0
    divided = bits >= _SMALLEST_WITH_SUBREGIONS
    return _Region(
        first,
        first + size - 1,
        bits - 3 if divided else 0,
        region.attributes >> 8 & 0xFF if divided else 0,
        privileged,
        unprivileged,
    )
