"""The core's registers by name, through Unicorn's C interface: several in one call where it counts.

Its Python wrapper takes some microseconds a register, and an exception touches fifty of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

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


class _Batch:
    """Room for the values of some registers, and Unicorn's arguments for them."""

    def __init__(self, names: Sequence[str]) -> None:
        count = len(names)
        self.values = (ctypes.c_uint32 * count)()
        size, base = ctypes.sizeof(ctypes.c_uint32), ctypes.addressof(self.values)
        pointers = (ctypes.c_void_p * count)(*(base + size * place for place in range(count)))
        ids = (ctypes.c_int * count)(*(REGISTER_IDS[name] for name in names))
        self.arguments: tuple[Any, ...] = (ids, pointers, ctypes.c_int(count))


@cache
def _batch(names: tuple[str, ...]) -> _Batch:
    return _Batch(names)


class Registers:
    """Registers of one core; `handle` is Unicorn's."""

    def __init__(self, handle: Any) -> None:  # noqa: ANN401 - a ctypes pointer
        self._handle = handle

    def read(self, *names: str) -> tuple[int, ...]:
        """The values of some registers."""
        batch = _batch(names)
        self._check(uclib.uc_reg_read_batch(self._handle, *batch.arguments))
        return tuple(batch.values)

    def write(self, names: tuple[str, ...], values: Sequence[int]) -> None:
        """Set some registers, in this order."""
        batch = _batch(names)
        batch.values[:] = [value & 0xFFFF_FFFF for value in values]
        self._check(uclib.uc_reg_write_batch(self._handle, *batch.arguments))

    @staticmethod
    def _check(status: int) -> None:
        if status != unicorn_const.UC_ERR_OK:
            raise UcError(status)
