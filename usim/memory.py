"""Allocation of the device's memory by the host: best fit over a section's extents."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from usim.errors import MemoryFullError
from usim.formatting import format_bytes
from usim.platforms import Section


@dataclass(frozen=True, slots=True)
class Block:
    """Allocated bytes in one section."""

    section: str
    address: int
    size_bytes: int


class SectionAllocator:
    """Hands out blocks of one section: the first extent with room, the tightest gap in it.

    `used_bytes` and `peak_bytes` count what was asked for, without padding for alignment.
    """

    def __init__(self, section: Section, *, platform: str = "") -> None:
        self.section = section
        self.peak_bytes = 0
        self._used_bytes = 0
        self._freed: deque[Block] = deque()
        self._platform = platform
        # Free gaps (address, size) of each extent, by address.
        self._gaps = [[(extent.base, extent.size_bytes)] for extent in section.extents]
        self._allocated: dict[int, Block] = {}

    @property
    def used_bytes(self) -> int:
        """Bytes that are allocated now."""
        self._free_the_freed()
        return self._used_bytes

    @property
    def largest_gap_bytes(self) -> int:
        """The most that one allocation can still have (alignment aside)."""
        self._free_the_freed()
        return max((size for gaps in self._gaps for _, size in gaps), default=0)

    def allocate(self, size_bytes: int, alignment: int = 8) -> Block:
        """Reserve `size_bytes`; MemoryFullError names what was needed and what is there."""
        self._free_the_freed()
        wanted = max(size_bytes, 1)
        for gaps in self._gaps:
            candidates = [
                (size, start, -start % alignment)
                for start, size in gaps
                if -start % alignment + wanted <= size
            ]
            if candidates:
                size, start, padding = min(candidates)
                gaps.remove((start, size))
                address = start + padding
                if padding:
                    gaps.append((start, padding))
                if size > padding + wanted:
                    gaps.append((address + wanted, size - padding - wanted))
                gaps.sort()
                return self._remember(Block(self.section.name, address, wanted))
        on = f" of {self._platform}" if self._platform else ""
        raise MemoryFullError(
            f"section {self.section.name}{on}: {format_bytes(size_bytes)} needed, largest free "
            f"block {format_bytes(self.largest_gap_bytes)} ({format_bytes(self.used_bytes)} of "
            f"{format_bytes(self.section.size_bytes)} in use)",
            section=self.section.name,
            needed_bytes=size_bytes,
            available_bytes=self.largest_gap_bytes,
        )

    def _remember(self, block: Block) -> Block:
        self._allocated[block.address] = block
        self._used_bytes += block.size_bytes
        self.peak_bytes = max(self.peak_bytes, self._used_bytes)
        return block

    def free_later(self, block: Block) -> None:
        """Give a block back from a finaliser, which may run in the middle of anything here."""
        self._freed.append(block)

    def _free_the_freed(self) -> None:
        while self._freed:
            self.free(self._freed.popleft())

    def free(self, block: Block) -> None:
        """Give a block back; neighbouring gaps merge."""
        if self._allocated.pop(block.address, None) != block:
            raise ValueError(f"{block} is not allocated")
        self._used_bytes -= block.size_bytes
        for extent, gaps in zip(self.section.extents, self._gaps, strict=True):
            if extent.base <= block.address < extent.end:
                gaps.append((block.address, block.size_bytes))
                gaps.sort()
                gaps[:] = _merged(gaps)


def _merged(gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, size in gaps:
        if merged and merged[-1][0] + merged[-1][1] == start:
            merged[-1] = (merged[-1][0], merged[-1][1] + size)
        else:
            merged.append((start, size))
    return merged
