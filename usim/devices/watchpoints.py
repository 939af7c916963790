"""Watchpoints: the emulator looks at every access, as long as there is something to watch.

Meanwhile there is a call for each instruction, and no access takes the emulator's fast path: a
watched program runs at a third of its speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from unicorn import unicorn_const

from usim.devices.instruction_hooks import InstructionHooks
from usim.devices.unicorn_hooks import EVERYWHERE, Hook
from usim.timing.counter import InstructionCounter, Watchpoint

_HOOKS: Final = (
    (
        unicorn_const.UC_HOOK_MEM_READ | unicorn_const.UC_HOOK_MEM_WRITE,
        "usim_on_access_watching",
    ),
    (unicorn_const.UC_HOOK_CODE, "usim_on_instruction_watching"),
)


class Watchpoints:
    """The hooks that watch, on one core; there are none while there are no watchpoints."""

    def __init__(self, hooks: InstructionHooks, counter: InstructionCounter) -> None:
        self._all_hooks = hooks
        self._counter = counter
        self._hooks: list[Hook] = []
        self._placed: tuple[Watchpoint, ...] = ()

    def place(self, watchpoints: Sequence[Watchpoint]) -> None:
        """Watch these from now on: at most counter.MAX_WATCHPOINTS."""
        if tuple(watchpoints) == self._placed:
            return
        self._placed = tuple(watchpoints)
        self._counter.set_watchpoints(self._placed)
        if bool(self._placed) == bool(self._hooks):
            return
        if self._placed:
            self._hooks = [self._all_hooks.add(*hook, EVERYWHERE) for hook in _HOOKS]
        else:
            for hook in self._hooks:
                self._all_hooks.remove(hook)
            self._hooks = []
        self._all_hooks.drop_translations()

    def take_hit(self) -> Watchpoint:
        """The watchpoint that ended the run."""
        return self._placed[self._counter.take_watched()]
