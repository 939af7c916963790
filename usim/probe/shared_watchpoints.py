"""The watchpoints of all debuggers that share a chip."""

from __future__ import annotations

from collections.abc import Iterable

from usim.devices.embedded import EmbeddedDevice
from usim.errors import DeviceError
from usim.timing.counter import MAX_WATCHPOINTS, Watchpoint


class SharedWatchpoints:
    """Who watches what. A watched core halts behind the access, as it does on the chip (C1.8.1)."""

    def __init__(self, device: EmbeddedDevice) -> None:
        self._device = device
        self._by_debugger: dict[str, tuple[Watchpoint, ...]] = {}
        # Which address the watchpoint that halted the core last is for.
        self.hit_address = 0
        # How often one has halted the core, for a debugger to compare with what it saw last.
        self.hit_count = 0

    def hit(self, address: int) -> None:
        """The watchpoint at this address has halted the core."""
        self.hit_address = address
        self.hit_count += 1

    def replace(self, debugger: str, watchpoints: Iterable[Watchpoint]) -> None:
        """Set a debugger's watchpoints, instead of those that it had.

        DeviceError if all debuggers together have more than the emulator takes.
        """
        by_debugger = {**self._by_debugger, debugger: tuple(watchpoints)}
        if by_debugger[debugger] == self._by_debugger.get(debugger, ()):
            return
        placed = [item for owned in by_debugger.values() for item in owned]
        if len(placed) > MAX_WATCHPOINTS:
            raise DeviceError(
                f"{len(placed)} watchpoints are more than the {MAX_WATCHPOINTS} that the emulated "
                "chip takes: remove some"
            )
        self._device.set_watchpoints(placed)
        self._by_debugger = by_debugger
