"""A chip's words by address, as a debugger reads and writes them."""

from __future__ import annotations

from dataclasses import dataclass

from usim.devices.embedded import EmbeddedDevice

RCC, PWR, FLASH = 0x4002_3800, 0x4000_7000, 0x4002_3C00


@dataclass(frozen=True)
class Chip:
    """Words by address, and the flash's keys."""

    device: EmbeddedDevice

    def __getitem__(self, address: int) -> int:
        return int.from_bytes(self.device.bus_read(address, 4), "little")

    def __setitem__(self, address: int, value: int) -> None:
        self.device.bus_write(address, value.to_bytes(4, "little"))

    def unlock_flash(self) -> None:
        self[FLASH + 0x04] = 0x4567_0123
        self[FLASH + 0x04] = 0xCDEF_89AB

    def unlock_options(self) -> None:
        self[FLASH + 0x08] = 0x0819_2A3B
        self[FLASH + 0x08] = 0x4C5D_6E7F
