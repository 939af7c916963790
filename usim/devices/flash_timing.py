"""What FLASH_ACR says of the flash, for the timing model and for those who ask too much of it.

Source: RM0385 3.3.2, "Number of wait states according to CPU clock (HCLK) frequency", and 3.7.1: at
2.7 V to 3.6 V a flash needs one more wait state for each 30 MHz of HCLK.
"""

from __future__ import annotations

import logging
from typing import Final

from usim.devices.peripherals import ChipPeripherals
from usim.devices.peripherals.flash import ACR
from usim.timing.memory import MemoryModel

_LOG = logging.getLogger(__name__)
_HZ_A_WAIT_STATE: Final = 30_000_000
_LATENCY: Final = 0xF
_PRFTEN: Final = 1 << 8
_ARTEN: Final = 1 << 9
_ARTRST: Final = 1 << 11


def needed_wait_states(core_hz: int) -> int:
    """The least FLASH_ACR.LATENCY for a core clock."""
    return max(-(-core_hz // _HZ_A_WAIT_STATE) - 1, 0)


class FlashTiming:
    """Has the memory model, if there is one, follow a chip's flash interface from now on.

    A clock at which a chip would read garbage is told in a warning, once.
    """

    def __init__(self, chip: ChipPeripherals, memory: MemoryModel | None) -> None:
        self._chip = chip
        self._memory = memory
        self._has_warned = False
        if chip.flash is not None:
            chip.flash.on_access_control = self._follow
            chip.time.domain.on_change(self._check)

    def follow_registers(self) -> None:
        """What FLASH_ACR says now counts, and no longer what the platform states."""
        if self._chip.flash is not None:
            self._follow(self._chip.flash.read_word(ACR))

    def set_nominal(self, wait_states: int) -> None:
        """As the platform states it, until a program writes FLASH_ACR."""
        if self._memory is not None:
            self._memory.set_flash(wait_states, art=True, prefetch=True)

    def _follow(self, acr: int) -> None:
        if self._memory is None:
            return
        self._memory.set_flash(acr & _LATENCY, art=bool(acr & _ARTEN), prefetch=bool(acr & _PRFTEN))
        if acr & _ARTRST and not acr & _ARTEN:  # "can be set only when the ART is disabled" (3.7.1)
            self._memory.empty_art()

    def _check(self) -> None:
        """The core's clock has changed."""
        flash, clocks = self._chip.flash, self._chip.clocks
        if flash is None or clocks is None or self._has_warned:
            return
        wait_states, needed = flash.read_word(ACR) & _LATENCY, needed_wait_states(clocks.core_hz)
        if wait_states < needed:
            self._has_warned = True
            _LOG.warning(
                "FLASH_ACR has %d wait states at a core clock of %g MHz, where a chip needs %d: it "
                "would read garbage from its flash",
                wait_states,
                clocks.core_hz / 1e6,
                needed,
            )
