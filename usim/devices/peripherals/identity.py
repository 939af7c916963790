"""What tells one chip from another: debug identity, electronic signature, option bytes.

RM0385: 40.6 and 40.16 (DBGMCU), 41 (electronic signature), 3.4 (option bytes); RM0410 likewise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar, Final

from usim.devices.peripherals.base import Peripheral, RegisterBlock
from usim.formatting import format_address

_LOG = logging.getLogger(__name__)

# Offsets of DBGMCU_CR, APB1_FZ and APB2_FZ from IDCODE.
_DEBUG_REGISTERS: Final = (0x4, 0x8, 0xC)


class Constant(Peripheral):
    """A value that nothing changes, little-endian, with zeros behind it."""

    def __init__(self, name: str, value: int) -> None:
        self._name = name
        self._value = value

    def read(self, offset: int, size_bytes: int) -> int:
        """Its bytes at `offset`."""
        return self._value >> 8 * offset & ((1 << 8 * size_bytes) - 1)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Ignored."""
        _LOG.info("write of %d bytes to %s + %s", size_bytes, self._name, format_address(offset))

    def reset(self) -> None:
        """Nothing."""


_DBG_SLEEP: Final = 1 << 0


class DebugSupport(RegisterBlock):
    """DBGMCU_CR and what is frozen while the core is halted: kept; DBG_SLEEP has an effect."""

    name = "DBGMCU"
    reset_values: ClassVar[dict[int, int]] = dict.fromkeys(
        (offset - _DEBUG_REGISTERS[0] for offset in _DEBUG_REGISTERS), 0
    )

    register_names: ClassVar[dict[int, str]] = {0: "CR", 4: "APB1_FZ", 8: "APB2_FZ"}

    @property
    def debugs_sleep(self) -> bool:
        """CR.DBG_SLEEP (40.16.3): HCLK runs in Sleep mode too."""
        return bool(self._values[0] & _DBG_SLEEP)

    def reset(self) -> None:
        """Nothing: a power-on reset alone clears them (40.16.3)."""

    def power_on(self) -> None:
        """Zero."""
        super().reset()


class OptionBytes(Peripheral):
    """The option bytes as memory: every 8 bytes hold 16 bits of the option registers (3.4.1)."""

    def __init__(self, registers: Callable[[], tuple[int, int]]) -> None:
        self._registers = registers

    def read(self, offset: int, size_bytes: int) -> int:
        """From FLASH_OPTCR and OPTCR1."""
        control, boot = self._registers()
        halves = (control & 0xFFFC, control >> 16, boot & 0xFFFF, boot >> 16)
        if offset % 8 >= 2 or offset // 8 >= len(halves):
            return (1 << 8 * size_bytes) - 1
        value = halves[offset // 8] | 0xFFFF_0000
        return value >> 8 * (offset % 8) & ((1 << 8 * size_bytes) - 1)

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Ignored: they are changed through FLASH_OPTCR."""

    def reset(self) -> None:
        """Nothing: they are not volatile."""
