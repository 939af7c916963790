"""Random number generator of the STM32F7 (RM0385 chapter 20, RM0410 chapter 23), from a seed.

Another run with the same seed gives the same numbers, at the same time.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import ClassVar, Final

from usim.devices.events import EventQueue
from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.base import RegisterBlock
from usim.devices.peripherals.clock_domain import ClockDomain

CR: Final = 0x00
SR: Final = 0x04
DR: Final = 0x08

_RNGEN: Final = 1 << 2
_IE: Final = 1 << 3
_DRDY: Final = 1 << 0
_CECS: Final = 1 << 1
_CEIS: Final = 1 << 5
_SEIS: Final = 1 << 6
_PERIODS: Final = 40
# The clock is too slow below a 16th of HCLK.
_SLOWEST: Final = 16


class RandomNumbers(RegisterBlock):
    """RNG: a number 40 periods of its clock after it was enabled, and after each that was read."""

    name = "RNG"
    reset_values: ClassVar[Mapping[int, int]] = {CR: 0, SR: 0, DR: 0}
    register_names: ClassVar[Mapping[int, str]] = {CR: "CR", SR: "SR", DR: "DR"}

    def __init__(
        self, events: EventQueue, clock: ClockDomain, line: InterruptLine, seed: int = 0
    ) -> None:
        super().__init__()
        self._clock, self._line = clock, line
        self._alarm = Alarm(events, clock, self._make_ready)
        clock.on_change(self._check_clock)
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Have the numbers from now on be those of a seed."""
        self._source = random.Random(seed)

    def reset(self) -> None:
        """Off; the sequence goes on."""
        super().reset()
        self._alarm.set(None)
        self._update()

    def read_word(self, offset: int) -> int:
        """DR gives each number once, and 0 when there is none."""
        value = self._values[offset]
        if offset == DR:
            self._values[DR] = 0
            self._values[SR] &= ~_DRDY
            self._begin()
            self._update()
        return value

    def write_word(self, offset: int, value: int) -> None:
        """CR switches; zeros clear the interrupt flags of SR."""
        if offset == CR:
            was_on = self._values[CR] & _RNGEN
            self._values[CR] = value & (_RNGEN | _IE)
            if not value & _RNGEN:
                self._alarm.set(None)
            elif not was_on:
                self._check_clock()
                self._begin()
        elif offset == SR:
            self._values[SR] &= value | ~(_CEIS | _SEIS)
        self._update()

    def _begin(self) -> None:
        wants = self._values[CR] & _RNGEN and not self._values[SR] & _DRDY
        if wants and self._alarm.tick is None:
            self._alarm.set(self._clock.ticks() + _PERIODS)

    def _make_ready(self, _tick: int) -> None:
        self._values[DR] = self._source.getrandbits(32)
        self._values[SR] |= _DRDY
        self._update()

    def _check_clock(self) -> None:
        is_slow = self._clock.rate * _SLOWEST < 1
        self._values[SR] &= ~_CECS
        if is_slow and self._values[CR] & _RNGEN:
            self._values[SR] |= _CECS | _CEIS
        self._update()

    def _update(self) -> None:
        asked = self._values[SR] & (_DRDY | _CEIS | _SEIS)
        self._line.set(bool(asked and self._values[CR] & _IE))
