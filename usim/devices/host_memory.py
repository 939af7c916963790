"""The emulated chip's memories, held in this process: buffers, each at one address or several."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from usim.errors import AccessError
from usim.formatting import format_address
from usim.platforms import Platform

Buffer = ctypes.Array[ctypes.c_char]


class HostMemory:
    """Buffers by address. `changed` is called with every address whose content was written."""

    def __init__(self, platform: Platform, changed: Callable[[int, int], None]) -> None:
        self._platform = platform
        self._changed = changed
        self._memories: list[tuple[int, Buffer]] = []

    def add(self, address: int, buffer: Buffer) -> None:
        """Put a buffer at `address`; the same one may stand at several."""
        self._memories.append((address, buffer))

    def holds(self, address: int) -> bool:
        """Whether memory is at `address`."""
        return any(base <= address < base + len(buffer) for base, buffer in self._memories)

    def base_of(self, address: int) -> int | None:
        """The first address of the memory at `address`, at whichever of its addresses that is."""
        for base, buffer in self._memories:
            if base <= address < base + len(buffer):
                return next(first for first, other in self._memories if other is buffer)
        return None

    def read(self, address: int, size_bytes: int) -> bytes:
        """Bytes from `address` on; AccessError where no memory is."""
        return b"".join(ctypes.string_at(*piece) for piece in self._pieces(address, size_bytes))

    def write(self, address: int, data: bytes) -> None:
        """Write from `address` on, flash too; AccessError where no memory is."""
        offset = 0
        for host_address, length in self._pieces(address, len(data)):
            ctypes.memmove(host_address, data[offset : offset + length], length)
            offset += length
            for base, buffer in self._memories:  # code may have run at any of its addresses
                start = host_address - ctypes.addressof(buffer)
                if 0 <= start < len(buffer):
                    self._changed(base + start, length)

    def _pieces(self, address: int, size_bytes: int) -> list[tuple[int, int]]:
        """(host address, length) for each memory that [address, address + size) crosses."""
        pieces = []
        at, end = address, address + size_bytes
        while at < end:
            for base, buffer in self._memories:
                if base <= at < base + len(buffer):
                    length = min(end, base + len(buffer)) - at
                    pieces.append((ctypes.addressof(buffer) + at - base, length))
                    at += length
                    break
            else:
                raise AccessError(
                    f"{self._platform.repl_path.name} has no memory at {format_address(at)}; see "
                    f"`usim platforms check {self._platform.name}`",
                    address=at,
                    size_bytes=end - at,
                )
        return pieces


class FlashCells:
    """The flash of a HostMemory by offset, as the flash interface works on it."""

    def __init__(self, memory: HostMemory, base: int, size_bytes: int) -> None:
        self._memory = memory
        self._base = base
        self._size_bytes = size_bytes

    @property
    def size_bytes(self) -> int:
        """All of it."""
        return self._size_bytes

    def read(self, offset: int, size_bytes: int) -> bytes:
        """What the cells hold."""
        return self._memory.read(self._base + offset, size_bytes)

    def write(self, offset: int, data: bytes) -> None:
        """Set the cells, as neither a program nor a debugger can without the interface."""
        self._memory.write(self._base + offset, data)
