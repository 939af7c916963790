"""Who answers at an address of the emulated chip: memory, the core's registers, a peripheral."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from usim.devices.course import Course
from usim.devices.host_memory import HostMemory
from usim.devices.peripherals import ChipPeripherals
from usim.devices.system_registers import BASE, SIZE_BYTES, SystemRegisters
from usim.errors import AccessError
from usim.formatting import format_address
from usim.platforms import Platform

_SYSTEM_SPACE: Final = range(BASE, BASE + SIZE_BYTES)

Serve = Callable[[int, int], int]
Take = Callable[[int, int, int], None]


class ChipBus:
    """The chip's address space, for the core's accesses to registers and for a debug port's."""

    def __init__(
        self,
        platform: Platform,
        memory: HostMemory,
        system: SystemRegisters,
        chip: ChipPeripherals,
    ) -> None:
        self._platform = platform
        self._memory = memory
        self._system = system
        self._chip = chip
        self._spaces = [_SYSTEM_SPACE]
        for base, size_bytes in chip.bus.pages():
            if base not in _SYSTEM_SPACE:
                self._spaces.append(range(base, base + size_bytes))

    def register_spaces(self) -> Iterator[tuple[range, Serve, Take]]:
        """Where registers are, and how an offset there is read and written."""
        for space in self._spaces:

            def read(offset: int, size_bytes: int, base: int = space.start) -> int:
                return self._load(base + offset, size_bytes)

            def write(offset: int, size_bytes: int, value: int, base: int = space.start) -> None:
                self._store(base + offset, size_bytes, value)

            yield space, read, write

    def changes_with_time(self, address: int) -> bool:
        """Whether the register at `address` changes between events too, as counters do."""
        return address & ~3 in self._system.courses or self._chip.bus.changes_with_time(address)

    def courses(self) -> dict[int, Callable[[], Course | None]]:
        """By address, registers that count by themselves, and how each goes on."""
        return {**self._system.courses, **dict(self._chip.bus.courses())}

    def store_to_flash(self, address: int, data: bytes) -> bool:
        """A store where memory can't be written; whether the flash interface took it.

        It comes over the AXI bus: over the ITCM bus the flash is read only. A stray store is not
        taken and faults; one that is wrong while programming is set up leaves its reason in
        FLASH_SR alone, as a programming routine expects.
        """
        flash, region = self._chip.flash, self._platform.region_at(address)
        if flash is None or region is None or region.alias_of or not self._is_flash(address):
            return False
        return flash.program(address - region.base, data)

    def read(self, address: int, size_bytes: int) -> bytes:
        """A debug port's read; AccessError where nothing answers."""
        if self._is_register(address):
            return b"".join(
                self._load(at, width).to_bytes(width, "little")
                for at, width in _accesses(address, size_bytes)
            )
        self._refuse_protected(address, size_bytes)
        return self._memory.read(address, size_bytes)

    def write(self, address: int, data: bytes) -> None:
        """A debug port's write; AccessError where nothing answers or the flash takes no store."""
        if self._is_register(address):
            for at, width in _accesses(address, len(data)):
                value = data[at - address : at - address + width]
                self._store(at, width, int.from_bytes(value, "little"))
        elif self._is_flash(address):
            self._refuse_protected(address, len(data))
            self._program(address, data)
        else:
            self._memory.write(address, data)

    def _load(self, address: int, size_bytes: int) -> int:
        # Some of the chip's own registers lie between the core's.
        if address in _SYSTEM_SPACE and self._chip.bus.find(address) is None:
            return self._system.read(address - BASE, size_bytes)
        return self._chip.bus.read(address, size_bytes)

    def _store(self, address: int, size_bytes: int, value: int) -> None:
        if address in _SYSTEM_SPACE and self._chip.bus.find(address) is None:
            self._system.write(address - BASE, size_bytes, value)
        else:
            self._chip.bus.write(address, size_bytes, value)

    def _program(self, address: int, data: bytes) -> None:
        for at, width in _accesses(address, len(data)):
            if not self.store_to_flash(at, data[at - address : at - address + width]):
                raise AccessError(
                    f"the flash at {format_address(at)} takes no store: unlock FLASH_CR and set "
                    "PG first, or have a flash driver do it",
                    address=at,
                    size_bytes=width,
                )

    def _refuse_protected(self, address: int, size_bytes: int) -> None:
        flash = self._chip.flash
        if flash is not None and flash.is_read_protected and self._is_flash(address):
            raise AccessError(
                f"the flash at {format_address(address)} is protected from debuggers (option byte "
                "RDP); setting RDP back to 0xAA erases it",
                address=address,
                size_bytes=size_bytes,
            )

    def _is_register(self, address: int) -> bool:
        return any(address in space for space in self._spaces)

    def _is_flash(self, address: int) -> bool:
        """Whether the chip's own flash is there; a board's is behind its own interface."""
        region = self._platform.region_at(address)
        return region in self._platform.regions and region is not None and region.kind == "flash"


def _accesses(address: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """The aligned accesses of at most a word that a transfer consists of."""
    at, end = address, address + size_bytes
    while at < end:
        width = next(width for width in (4, 2, 1) if at % width == 0 and at + width <= end)
        yield at, width
        at += width
