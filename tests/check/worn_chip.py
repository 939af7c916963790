"""A chip with a worn memory: one bit of it always reads as set."""

from __future__ import annotations

from usim.devices.embedded import EmbeddedDevice


class WornDevice(EmbeddedDevice):
    """The embedded device, whose byte at `worn_address` cannot hold a 0 in `worn_bit`."""

    worn_address = 0
    worn_bit = 0

    def write(self, address: int, data: bytes) -> None:
        at = self.worn_address - address
        if 0 <= at < len(data):
            data = data[:at] + bytes([data[at] | 1 << self.worn_bit]) + data[at + 1 :]
        super().write(address, data)
