"""Unicorn's hooks on one core: native callbacks at instructions and accesses.

At each instruction that is hooked Unicorn goes through the list of all hooks. Start-up code leaves
many that are never called again, and a loop of few instructions then spends its time in that list.
So once as much was spent there as ever before, the hooks on single instructions are taken away, and
each is set again when its block runs next.
"""

from __future__ import annotations

import ctypes
from typing import Final

from unicorn import Uc, UcError, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from usim.errors import DeviceError
from usim.timing.counter import InstructionCounter

Hook = ctypes.c_size_t
# Unicorn's way to say all addresses: a last one before the first.
EVERYWHERE: Final = (1, 0)
# Steps through the list, some nanoseconds each, before hooks are taken away for the first time.
_PATIENCE: Final = 20_000_000
# So many are worth no effort.
_FEW: Final = 16


class UnicornHooks:
    """Adds hooks, and keeps those on single instructions."""

    def __init__(self, uc: Uc, counter: InstructionCounter) -> None:
        self._uc = uc
        self._counter = counter
        # By instruction: the callbacks that were ever asked for, with their data.
        self._wanted: dict[int, dict[str, int]] = {}
        self._set: dict[tuple[int, str], Hook] = {}
        self.patience, self.few = _PATIENCE, _FEW

    def add(
        self, kinds: int, callback: str, addresses: tuple[int, int], data: int | None = None
    ) -> Hook:
        """Call the native side from the first of `addresses` to the last, both included."""
        hook = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            self._uc._uch,
            ctypes.byref(hook),
            ctypes.c_int(kinds),
            ctypes.c_void_p(self._counter.callback(callback)),
            ctypes.c_void_p(self._counter.pointer if data is None else data),
            *map(ctypes.c_uint64, addresses),
        )
        if status != unicorn_const.UC_ERR_OK:
            raise DeviceError(f"the emulator refused a hook: {UcError(status)}")
        return hook

    def remove(self, hook: Hook) -> None:
        """Take a hook away."""
        uclib.uc_hook_del(self._uc._uch, hook)

    def hook_once(self, instruction: int, callback: str, data: int | None = None) -> bool:
        """Call the native side at an instruction; whether it was not before."""
        key = instruction, callback
        if key in self._set:
            return False
        data = self._counter.pointer if data is None else data
        self._wanted.setdefault(instruction, {})[callback] = data
        addresses = instruction, instruction
        self._set[key] = self.add(unicorn_const.UC_HOOK_CODE, callback, addresses, data)
        self._counter.hooks = len(self._set)
        return True

    def hook_again(self, address: int, size_bytes: int) -> bool:
        """Set hooks in a block again that were taken away; whether there were any."""
        hooked = [
            self.hook_once(place, callback, data)
            for place in range(address, address + size_bytes, 2)
            for callback, data in self._wanted.get(place, {}).items()
        ]
        return any(hooked)

    def thin_out(self) -> None:
        """Between runs: take hooks away if going through them has taken long."""
        if self._counter.hook_steps < self.patience:
            return
        self._counter.hook_steps = 0
        if len(self._set) <= self.few:
            return
        self.patience *= 2
        for hook in self._set.values():
            self.remove(hook)
        self._set.clear()
        self._counter.hooks = 0
        self._counter.hook_again()
        self._uc.ctl_flush_tb()
