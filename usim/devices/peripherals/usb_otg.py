"""The USB OTG cores of the STM32F7 with no cable plugged in (RM0385 chapter 37).

Firmware that sets one up waits for resets and flushes, which are over at once. Registers are kept,
no host ever enumerates the device, and no device is there for a host to find.
"""

from __future__ import annotations

import logging
from typing import Final

from usim.devices.peripherals.base import Peripheral

_LOG = logging.getLogger(__name__)

GOTGINT: Final = 0x004
GUSBCFG: Final = 0x00C
GRSTCTL: Final = 0x010
GINTSTS: Final = 0x014
GRXSTSR: Final = 0x01C
GRXSTSP: Final = 0x020
HNPTXSTS: Final = 0x02C
CID: Final = 0x03C

_AHBIDL: Final = 1 << 31
# Bits of GRSTCTL that the core clears: CSRST, HSRST (PSRST), FCRST, RXFFLSH, TXFFLSH.
_SELF_CLEARING: Final = 0x37
_FHMOD: Final = 1 << 29
_CMOD: Final = 1
_FIFOS_EMPTY: Final = 1 << 26 | 1 << 5  # PTXFE, NPTXFE
_FIFO_SPACE: Final = 0x0008_0200  # eight requests, 512 words
_VERSION: Final = 0x0000_1200
# Data FIFOs follow: what is written there waits for a host for ever.
_FIFOS: Final = 0x1000
# HCINTx, DIEPINTx and DOEPINTx: flags, none of which is ever set.
_CHANNELS: Final = (range(0x500, 0x680), range(0x900, 0xA20), range(0xB00, 0xC20))


class UsbOtg(Peripheral):
    """OTG_FS or OTG_HS: sets up, and sees nobody on the bus."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._values: dict[int, int] = {}
        self._told = False

    def reset(self) -> None:
        """Every register as after a reset."""
        self._values = {}

    def read(self, offset: int, size_bytes: int) -> int:
        """What was written, the state of an idle core, or an empty FIFO."""
        return self._word(offset & ~3) >> 8 * (offset & 3) & ((1 << 8 * size_bytes) - 1)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Keep it, but for bits that are over as soon as they are set."""
        if not self._told:
            self._told = True
            _LOG.warning("%s is set up: nothing is attached to it here", self.name)
        register = offset & ~3
        if register < _FIFOS and not _is_flags(register):
            shift = 8 * (offset & 3)
            mask = ((1 << 8 * size_bytes) - 1) << shift
            kept = self._values.get(register, 0)
            self._values[register] = kept & ~mask | value << shift & mask
        if register == GRSTCTL:
            self._values[GRSTCTL] &= ~(_SELF_CLEARING | _AHBIDL)

    def register_name(self, offset: int) -> str:
        """USB_OTG_FS + 0x10."""
        return f"{self.name} + {offset:#x}"

    def _word(self, register: int) -> int:
        if register == GRSTCTL:
            return self._values.get(GRSTCTL, 0) | _AHBIDL
        if register == GINTSTS:
            is_host = self._values.get(GUSBCFG, 0) & _FHMOD
            return _FIFOS_EMPTY | (_CMOD if is_host else 0)
        idle = {HNPTXSTS: _FIFO_SPACE, CID: _VERSION}.get(register, 0)
        return self._values.get(register, idle)


def _is_flags(register: int) -> bool:
    if register in (GOTGINT, GINTSTS, GRXSTSR, GRXSTSP, HNPTXSTS):
        return True
    return any(register in channels and register % 0x20 == 8 for channels in _CHANNELS)
