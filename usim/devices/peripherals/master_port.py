"""The address space as the chip's bus masters beside the core see it: memory and registers.

Source: RM0385 and RM0410, 2.1. The caches are the core's; nothing here knows of them.
"""

from __future__ import annotations

from typing import Final, Protocol

from usim.devices.peripherals.bus import PeripheralBus
from usim.errors import AccessError
from usim.formatting import format_address

_FLASH: Final = 0x0800_0000  # below it are ITCM bus and RAM, which are the core's alone
_RAM: Final = 0x2000_0000
_REGISTERS: Final = range(0x4000_0000, 0x6000_0000)
_CORE: Final = 0xE000_0000


class Memory(Protocol):
    """Bytes by address; AccessError where none are."""

    def read(self, address: int, size_bytes: int) -> bytes: ...

    def write(self, address: int, data: bytes) -> None: ...


class MasterPort:
    """Reads and writes, once it is connected; AccessError where nothing answers."""

    def __init__(self) -> None:
        self._memory: Memory | None = None
        self._bus: PeripheralBus | None = None

    def connect(self, memory: Memory, bus: PeripheralBus) -> None:
        """Give it what it reaches."""
        self._memory, self._bus = memory, bus

    def is_memory(self, address: int) -> bool:
        """Whether what is there can be read and written in pieces of any size."""
        return address not in _REGISTERS

    def read(self, address: int, size_bytes: int) -> bytes:
        """Of registers 1, 2 or 4 bytes, in one access."""
        if self._memory is None or self._bus is None or not _FLASH <= address < _CORE:
            raise _nothing(address, size_bytes)
        if self.is_memory(address):
            return self._memory.read(address, size_bytes)
        window = self._bus.find(address)
        if window is None:
            raise _nothing(address, size_bytes)
        if not window.is_clocked:
            return bytes(size_bytes)
        value = window.peripheral.read(address - window.base, size_bytes)
        return value.to_bytes(size_bytes, "little")

    def write(self, address: int, data: bytes) -> None:
        """To registers 1, 2 or 4 bytes, in one access."""
        if self._memory is None or self._bus is None or not _RAM <= address < _CORE:
            raise _nothing(address, len(data))
        if self.is_memory(address):
            self._memory.write(address, data)
            return
        window = self._bus.find(address)
        if window is None:
            raise _nothing(address, len(data))
        if window.is_clocked:
            value = int.from_bytes(data, "little")
            window.peripheral.write(address - window.base, len(data), value)


def _nothing(address: int, size_bytes: int) -> AccessError:
    return AccessError(
        f"no bus master beside the core reaches {format_address(address)}",
        address=address,
        size_bytes=size_bytes,
    )
