"""Loads from registers that count by themselves are answered natively while it is known how.

Programs wait for a cycle counter or a timer by loading it all the time. Here the first of these
loads is served as any other; what it finds, and how the register goes on from there (its `Course`),
is handed to the native side, which answers the loads that follow (native/registers.c).

What may change a course drops all of them: a store to any register, an event, a stop of the core.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any, Final

from unicorn import Uc, UcError, unicorn_const
from unicorn.unicorn_py3.unicorn import MMIO_READ_CFUNC, MMIO_WRITE_CFUNC, uccallback, uclib

from usim.devices.chip_bus import Serve, Take
from usim.devices.course import Course
from usim.errors import DeviceError
from usim.timing.counter import InstructionCounter

_MAX_COURSES: Final = 8  # as registers.h has room for
_PLACES: Final = 256
# So that the native side's numbers of 64 bits never overflow.
_BOUND: Final = 1 << 63
# 0xE000_0000, for privileged code only (B3.2.1).
_PRIVATE_BUS: Final = 0xE00


class _Course(ctypes.Structure):
    """course_t."""

    _fields_ = (
        ("address", ctypes.c_uint32),
        ("value", ctypes.c_uint32),
        ("down", ctypes.c_uint32),
        ("privileged", ctypes.c_uint32),
        ("since", ctypes.c_uint64),
        ("lasts", ctypes.c_uint64),
        ("part", ctypes.c_uint64),
        ("step", ctypes.c_uint64),
        ("scale", ctypes.c_uint64),
    )


class _Place(ctypes.Structure):
    _fields_ = (
        ("price", ctypes.c_uint64),
        ("pc", ctypes.c_uint32),
        ("behind", ctypes.c_uint32),
    )


class _Registers(ctypes.Structure):
    """registers_t."""

    _fields_ = (
        ("counter", ctypes.c_void_p),
        ("courses", _Course * _MAX_COURSES),
        ("places", _Place * _PLACES),
    )


class _Space(ctypes.Structure):
    """register_space_t."""

    _fields_ = (
        ("registers", ctypes.c_void_p),
        ("serve", MMIO_READ_CFUNC),
        ("base", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )


class CountingRegisters:
    """Those of one core's address space. `now` tells the counter's time within a load."""

    def __init__(
        self,
        counter: InstructionCounter,
        now: Callable[[], int],
        expects_unprivileged: Callable[[], bool],
    ) -> None:
        self._counter, self._now = counter, now
        self._expects_unprivileged = expects_unprivileged
        self._library = counter.library
        self._state = _Registers(counter=counter.pointer)
        assert ctypes.sizeof(self._state) == self._library.usim_registers_size()
        # Unicorn calls them and points at them.
        self._kept: list[Any] = []
        # Off, Python serves every load.
        self.enabled = True

    def map(self, uc: Uc, space: range, read: Serve, write: Take) -> None:
        """Have read(offset, size) and write(offset, size, value) serve what isn't answered here."""

        def serve(_engine: int, offset: int, size: int, _data: object) -> int:
            try:
                return read(offset, size)
            except BaseException as exc:  # noqa: BLE001 - it ends the run, and is raised then
                uc._hook_exception = uc._hook_exception or exc
                uc.emu_stop()
                return 0  # which `uccallback` would not: C expects a number

        def take(_uc: Uc, offset: int, size: int, value: int, _data: object) -> None:
            self._counter.forget_courses()
            write(offset, size, value)

        asked = MMIO_READ_CFUNC(serve)
        told = uccallback(uc, MMIO_WRITE_CFUNC)(take)
        native = _Space(ctypes.addressof(self._state), asked, space.start)
        load = ctypes.c_void_p(self._counter.callback("usim_on_register_read"))
        status = uclib.uc_mmio_map(
            uc._uch, space.start, len(space), load, ctypes.byref(native), told, None
        )
        if status != unicorn_const.UC_ERR_OK:
            raise DeviceError(
                f"the emulator cannot map registers at {space.start:#x}: {UcError(status)}"
            )
        self._kept += [native, asked, told]

    def watch(
        self, base: int, read: Serve, courses: Mapping[int, Callable[[], Course | None]]
    ) -> Serve:
        """The same loads from `base` on; of registers that have a course it is followed."""

        def watched_read(offset: int, size_bytes: int) -> int:
            value = read(offset, size_bytes)
            address = base + (offset & ~3)
            if (find := courses.get(address)) is not None and (course := find()) is not None:
                self._follow(address, course)
            return value

        return watched_read

    def _follow(self, address: int, course: Course) -> None:
        part, step, scale = course.pace
        is_bounded = part + course.lasts * step < _BOUND and scale < _BOUND
        # Of an access that was not expected it is not known exactly when it is.
        if not (self.enabled and is_bounded and self._counter.accessing):
            return
        guarded = address >> 20 == _PRIVATE_BUS and self._expects_unprivileged()
        native = _Course(
            address, course.value, course.down, guarded, self._now(), course.lasts,
            part, step, scale,
        )  # fmt: skip
        self._library.usim_registers_follow(ctypes.addressof(self._state), ctypes.byref(native))

    def forget_code(self) -> None:
        """Code has changed: drop what is known of the time of its loads."""
        self._library.usim_registers_forget_code(ctypes.addressof(self._state))
