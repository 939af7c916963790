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

    @property
    def ram_bytes(self) -> int:
        """How much of it programs can write."""
        return sum(len(buffer) for buffer in self._ram())

    def snapshot(self) -> list[bytes]:
        """What programs can have written."""
        return [ctypes.string_at(buffer, len(buffer)) for buffer in self._ram()]

    def _ram(self) -> list[Buffer]:
        flash = [region for region in self._platform.regions if region.kind == "flash"]
        return [
            buffer
            for base, buffer in self._memories
            if not any(region.base <= base < region.end for region in flash)
        ]

    def buffer_at(self, address: int) -> Buffer:
        """The memory that begins at `address`."""
        return next(buffer for base, buffer in self._memories if base == address)

    def note_change(self, buffer: Buffer, offset: int, size_bytes: int) -> None:
        """A buffer's content was written: code may have run at any of its addresses."""
        for base, other in self._memories:
            if other is buffer:
                self._changed(base + offset, size_bytes)

    def read(self, address: int, size_bytes: int) -> bytes:
        """Bytes from `address` on; AccessError where no memory is."""
        pieces = self._pieces(address, size_bytes)
        if len(pieces) == 1:
            buffer, offset, _ = pieces[0]
            return ctypes.string_at(ctypes.addressof(buffer) + offset, size_bytes)
        return b"".join(
            ctypes.string_at(ctypes.addressof(buffer) + offset, length)
            for buffer, offset, length in pieces
        )

    def write(self, address: int, data: bytes) -> None:
        """Write from `address` on, flash too; AccessError where no memory is."""
        at = 0
        for buffer, offset, length in self._pieces(address, len(data)):
            ctypes.memmove(ctypes.addressof(buffer) + offset, data[at : at + length], length)
            at += length
            self.note_change(buffer, offset, length)

    def _pieces(self, address: int, size_bytes: int) -> list[tuple[Buffer, int, int]]:
        """(buffer, offset, length) for each memory that [address, address + size) crosses."""
        pieces = []
        at, end = address, address + size_bytes
        while at < end:
            for base, buffer in self._memories:
                if base <= at < base + len(buffer):
                    length = min(end, base + len(buffer)) - at
                    pieces.append((buffer, at - base, length))
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
    """One buffer of flash by offset, as the flash interface works on it."""

    def __init__(self, memory: HostMemory, address: int) -> None:
        self._memory = memory
        self._buffer = memory.buffer_at(address)

    @property
    def size_bytes(self) -> int:
        """All of it."""
        return len(self._buffer)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """What the cells hold."""
        return ctypes.string_at(ctypes.addressof(self._buffer) + offset, size_bytes)

    def write(self, offset: int, data: bytes) -> None:
        """Set the cells, as neither a program nor a debugger can without the interface."""
        ctypes.memmove(ctypes.addressof(self._buffer) + offset, data, len(data))
        self._memory.note_change(self._buffer, offset, len(data))
