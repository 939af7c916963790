"""Registers of what counts the ticks of a clock, brought up to now before each access."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain


class TickedBlock(RegisterBlock):
    """A block whose state is computed from how many ticks have passed since it last was."""

    def __init__(
        self, clock: ClockDomain, name: str | None = None, has: Mapping[int, int] | None = None
    ) -> None:
        super().__init__(name, has)
        self._clock = clock

    def reset(self) -> None:
        """Stopped, at zero."""
        super().reset()
        self._restart()
        self._settle()

    def read(self, offset: int, size_bytes: int) -> int:
        """As of now."""
        self._advance_to(self._clock.ticks())
        return super().read(offset, size_bytes)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Takes effect from now on."""
        self._advance_to(self._clock.ticks())
        super().write(offset, size_bytes, value)

    @abstractmethod
    def _restart(self) -> None:
        """Forget what was counted."""

    @abstractmethod
    def _settle(self) -> None:
        """Drive the lines, and wake up for what comes next."""

    @abstractmethod
    def _advance_to(self, tick: int) -> None:
        """Let what is due up to a tick have happened."""
