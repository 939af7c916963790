"""The core's registers by name, through Unicorn's C interface: several in one call where it counts.

Its Python wrapper takes some microseconds a register, and an exception touches fifty of them.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Final

from unicorn import UcError, arm_const, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

REGISTER_IDS: Final[dict[str, int]] = {
    **{f"r{i}": getattr(arm_const, f"UC_ARM_REG_R{i}") for i in range(13)},
    "r13": arm_const.UC_ARM_REG_SP,
    "r14": arm_const.UC_ARM_REG_LR,
    "r15": arm_const.UC_ARM_REG_PC,
    "sp": arm_const.UC_ARM_REG_SP,
    "lr": arm_const.UC_ARM_REG_LR,
    "pc": arm_const.UC_ARM_REG_PC,
    "msp": arm_const.UC_ARM_REG_MSP,
    "psp": arm_const.UC_ARM_REG_PSP,
    "xpsr": arm_const.UC_ARM_REG_XPSR,
    "ipsr": arm_const.UC_ARM_REG_IPSR,
    "control": arm_const.UC_ARM_REG_CONTROL,
    "primask": arm_const.UC_ARM_REG_PRIMASK,
    "basepri": arm_const.UC_ARM_REG_BASEPRI,
    "faultmask": arm_const.UC_ARM_REG_FAULTMASK,
    "fpscr": arm_const.UC_ARM_REG_FPSCR,
    **{f"s{i}": getattr(arm_const, f"UC_ARM_REG_S{i}") for i in range(32)},
}


_BATCH_CALL: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int
)
_READ: Final = _BATCH_CALL(("uc_reg_read_batch", uclib))
_WRITE: Final = _BATCH_CALL(("uc_reg_write_batch", uclib))


class _Batch:
    """Room for the values of some registers of a core, and Unicorn's arguments for them."""

    def __init__(self, handle: int, names: Sequence[str]) -> None:
        count = len(names)
        self._values = (ctypes.c_uint32 * count)()
        self._layout = struct.Struct(f"={count}I")
        size, base = ctypes.sizeof(ctypes.c_uint32), ctypes.addressof(self._values)
        self._pointers = (ctypes.c_void_p * count)(*(base + size * place for place in range(count)))
        self._ids = (ctypes.c_int * count)(*(REGISTER_IDS[name] for name in names))
        # As numbers: ctypes takes them in half the time that it takes for arrays.
        addresses = ctypes.addressof(self._ids), ctypes.addressof(self._pointers)
        self._arguments = (handle, *addresses, count)

    def read(self) -> tuple[int, ...]:
        status = _READ(*self._arguments)
        if status != unicorn_const.UC_ERR_OK:
            raise UcError(status)
        return self._layout.unpack_from(self._values)

    def write(self, values: Sequence[int]) -> None:
        self._layout.pack_into(self._values, 0, *[value & 0xFFFF_FFFF for value in values])
        status = _WRITE(*self._arguments)
        if status != unicorn_const.UC_ERR_OK:
            raise UcError(status)


class Registers:
    """Registers of one core; `handle` is Unicorn's."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._batches: dict[tuple[str, ...], _Batch] = {}

    def read(self, *names: str) -> tuple[int, ...]:
        """The values of some registers."""
        return self._batch(names).read()

    def write(self, names: tuple[str, ...], values: Sequence[int]) -> None:
        """Set some registers, in this order."""
        self._batch(names).write(values)

    def _batch(self, names: tuple[str, ...]) -> _Batch:
        batch = self._batches.get(names)
        if batch is None:
            batch = self._batches[names] = _Batch(self._handle, names)
        return batch
