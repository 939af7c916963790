"""Finds places where a core may go round in a loop that waits; the native side looks."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Final

from usim.timing.counter import InstructionCounter

_COMPARED: Final = 16
_REFUSALS: Final = 64


class _Refusal(ctypes.Structure):
    _fields_ = (
        ("place", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("until", ctypes.c_uint64),
    )


class _Waiting(ctypes.Structure):
    """waiting_t in waiting.h."""

    _fields_ = (
        ("register_ids", ctypes.c_uint32 * _COMPARED),
        ("place", ctypes.c_uint32),
        ("is_passing", ctypes.c_uint32),
        ("rounds", ctypes.c_uint32),
        ("likely_other", ctypes.c_uint32),
        ("registers", ctypes.c_uint32 * _COMPARED),
        ("blocks", ctypes.c_uint32),
        ("next_choice", ctypes.c_uint32),
        ("refusals", _Refusal * _REFUSALS),
    )


class LoopFinder:
    """Ends runs (StopReason.WAITING) where the core's registers are as they were at this block.

    Only while an event is to come. Such a run can go on from there.
    """

    def __init__(self, counter: InstructionCounter, register_ids: Sequence[int]) -> None:
        """`register_ids` are Unicorn's numbers of r0 to r14 and xPSR."""
        self._counter = counter
        self._library = counter.library
        self._state = _Waiting()
        assert ctypes.sizeof(self._state) == self._library.usim_waiting_size()
        self._state.register_ids[:] = register_ids
        self.forget()

    def enable(self, *, enabled: bool) -> None:
        """Whether to look."""
        self._counter.attach_loop_finder(ctypes.addressof(self._state) if enabled else None)
        self.forget()

    def forget(self) -> None:
        """Something happened that no loop foresees: places from before are void."""
        self._library.usim_waiting_forget(ctypes.addressof(self._state))

    def hurry(self) -> None:
        """Look for a loop that goes through the next block."""
        self._library.usim_waiting_hurry(ctypes.addressof(self._state))

    def refuse(self, instructions: int) -> None:
        """Leave the place of the last stop alone for so many instructions."""
        until = self._counter.executed + instructions
        self._library.usim_waiting_refuse(ctypes.addressof(self._state), until)
