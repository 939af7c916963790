"""The embedded device as a board needs it: cycles, simulated time, serial lines, bounded slices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from usim.devices.base import Timing
from usim.devices.embedded import EmbeddedDevice
from usim.devices.peripherals import ResetCause
from usim.devices.stops import Stop
from usim.platforms import Platform

# Between slices the host looks at Ctrl-C, sockets and endless loops; some 0.05 s of emulation.
LONGEST_SLICE: Final = 2_000_000
# A cycle that is not reached: some 600 years at 216 MHz.
NEVER: Final = 1 << 62
# DDI 0403E B3.3.3, B3.4.4.
_SYST_CSR: Final = 0xE000_E010
_TICKINT: Final = 1 << 1
_NVIC_ISER: Final = 0xE000_E100
_ISER_WORDS: Final = 8


class Chip:
    """An open device that runs up to a cycle, and tells the time.

    Time is that of the core clock which the firmware has set up (RCC); with timing "count" an
    instruction counts as a cycle.
    """

    def __init__(self, platform: Platform, timing: Timing) -> None:
        self.platform = platform
        self.timing: Timing = timing
        self.device = EmbeddedDevice(platform, timing)
        # The last cycle that was run to.
        self._come = 0

    def open(self) -> None:
        """Power up: RAM is zero, flash erased."""
        self.device.open()
        self.device.follow_flash_interface()
        # A deadline in seconds is another cycle then.
        self.device.chip.time.domain.on_change(self.device.halt)

    def close(self) -> None:
        """Free it. Calling it twice is fine."""
        self.device.close()

    def boot(self, vector_table: int, cause: ResetCause) -> None:
        """Reset, and start from this vector table."""
        self.device.boot(vector_table, cause=cause)
        self.device.follow_flash_interface()

    # Time.

    @property
    def now(self) -> int:
        """The core's cycle since the chip was powered up, sleep included."""
        return self.device.now

    @property
    def core_hz(self) -> int:
        """The core clock, as the firmware has set it up."""
        clocks = self.device.clocks
        return clocks.core_hz if clocks is not None else self.platform.clock_hz

    def seconds(self) -> float:
        """The chip's time since power-up."""
        return self.device.chip.time.seconds()

    def cycle_at(self, seconds: float) -> int:
        """The cycle at which it will be so late, if the firmware leaves the clock as it is."""
        if math.isinf(seconds):
            return NEVER
        cycle = self.device.chip.time.cycle_at(seconds)
        return NEVER if cycle is None else cycle

    # Running.

    def run(self, until_cycle: int, stop_address: int) -> Stop:
        """Run to what the host has to handle, to `stop_address`, or to a cycle (HALTED).

        Interrupts are taken, and returned from, on the way.
        """
        device = self.device

        def come() -> None:
            self._come = until_cycle
            device.halt()

        deadline = None if until_cycle == NEVER else device.events.at(until_cycle, come)
        try:
            return device.run_slice(stop_address, LONGEST_SLICE, takes_returns=True)
        finally:
            device.events.cancel(deadline)

    def has_come(self, cycle: int) -> bool:
        """Whether it is so late. The pipeline may then still wait for what issues at that cycle."""
        return self.now >= cycle or self._come >= cycle

    def step(self) -> Stop:
        """Execute an instruction or a few, up to the end of a block."""
        return self.device.run_slice(0xFFFF_FFF0, 1, takes_returns=True)

    def halt(self) -> None:
        """End the running slice with HALTED, from within a callback or an event."""
        self.device.halt()

    @property
    def sleeps_for_good(self) -> bool:
        """Whether the core sleeps, and nothing that is scheduled can wake it."""
        return self.device.is_asleep and self.device.events.next_cycle is None

    @property
    def can_be_interrupted(self) -> bool:
        """Whether the firmware has switched on SysTick's or any other interrupt."""
        words = self.device.bus_read(_NVIC_ISER, 4 * _ISER_WORDS)
        control = self.device.bus_read(_SYST_CSR, 4)
        return any(words) or bool(control[0] & _TICKINT)

    # What is outside of the chip.

    @property
    def usarts(self) -> tuple[str, ...]:
        """The names of the USARTs that there are."""
        return self.device.capabilities.usarts

    def listen(self, usart: str, on_byte: Callable[[int], None]) -> None:
        """Have each byte told whose frame a USART has sent."""
        self.device.chip.usarts[usart].on_byte = on_byte

    def send(self, usart: str, data: bytes) -> None:
        """Put bytes on a USART's receiving line, one frame after another once it listens."""
        self.device.usart_input(usart, data)

    def drain(self) -> None:
        """Let what the USARTs have begun to send leave: the program has ended, the lines go on."""
        for usart in self.device.chip.usarts.values():
            usart.drain()

    def who_is_at(self, address: int) -> str:
        """The register at an address, by the manual's name; empty where there is none."""
        return self.device.chip.who_is_at(address) or ""
