"""The 4 KiB of SRAM in the backup domain (RM0385 4.1.2): only a reset of the supply clears it."""

from __future__ import annotations

from collections.abc import Callable

from usim.devices.peripherals.base import Peripheral


class BackupSram(Peripheral):
    """BKPSRAM: bytes that can be written while PWR_CR1.DBP is set."""

    name = "BKPSRAM"

    def __init__(self, size_bytes: int, is_writable: Callable[[], bool]) -> None:
        self._bytes = bytearray(size_bytes)
        self._is_writable = is_writable

    def read(self, offset: int, size_bytes: int) -> int:
        """What is stored there."""
        return int.from_bytes(self._bytes[offset : offset + size_bytes], "little")

    def write(self, offset: int, size_bytes: int, value: int) -> None:
        """Stored, if the backup domain is not protected."""
        if self._is_writable():
            self._bytes[offset : offset + size_bytes] = value.to_bytes(size_bytes, "little")

    def reset(self) -> None:
        """Keeps what it holds."""

    def power_on(self) -> None:
        """Zero, for want of what a chip has there by chance."""
        self._bytes[:] = bytes(len(self._bytes))
