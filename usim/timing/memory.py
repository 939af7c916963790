"""The memory model's figures and its native side: caches, ART, line fills, wait states.

Sources: geometry from platform.yaml. [M] a memory benchmark's chains of loads and sequential reads
and writes, measured on an STM32F746 with its source (github.com/owhinata/stm32f746g-disco). [R] one
model measured with its weights in flash and in RAM on an STM32F746 gives flash fill = 7.3 + 0.76 x
SRAM fill. [W] a 256-bit row of flash stalls about 8 cycles at 7 wait states. [D] calibrated on
Dhrystone with caches off against on, on an STM32F746 and an STM32F723: average waits in programs,
loads overlapping, and not the latency of a lone access. All with figures in docs/timing.md, "With
memory in play".
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from usim.platforms import Platform
from usim.platforms.facts import Region
from usim.timing.addresses import find_accesses
from usim.timing.counter import InstructionCounter
from usim.timing.native_accesses import NativeAccess, NativeAccesses, native_access

LINE_BYTES: Final = 32
_BUS_BYTES: Final = 8
_MAX_RANGES: Final = 8
_CACHES: Final = {"instruction": 0, "data": 1, "art": 2}
_LINE_BUFFERS: Final = 3
_LINE_BUFFER_COUNT: Final = 2  # fitted to code that runs with caches off


@dataclass(frozen=True, slots=True)
class MemoryParameters:
    """Waits in core cycles beyond those of a tightly coupled memory, at the platform's clock."""

    sram_fill: int = 7  # [M]
    flash_fill: int = 13  # [R] says 12.6, [M] 13.7
    writeback: int = 8  # a line of four 64-bit beats and its address: assumed
    art_fill: int = 8  # [W]
    sram_uncached_load: int = 3  # [D]
    sram_uncached_store: int = 3  # [D]
    flash_uncached_load: int = 6  # [D]
    sdram_load: int = 19  # [M] in a chain; neighbouring words take 11
    sdram_store: int = 4  # [M]


class _Range(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint32)
        for name in (
            "base",
            "end",
            "cached",
            "line_fill",
            "uncached_load",
            "uncached_store",
            "art",
        )
    )


class _Stream(ctypes.Structure):
    _fields_ = (
        ("line", ctypes.c_uint32),
        ("bytes", ctypes.c_uint32),
        ("whole_lines", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("fill_end", ctypes.c_uint64),
    )


class _Memory(ctypes.Structure):
    """The head of memory_t in memory.h."""

    _fields_ = (
        ("timer", ctypes.c_void_p),
        ("counter", ctypes.c_void_p),
        ("bus_free", ctypes.c_uint64),
        ("writeback", ctypes.c_uint32),
        ("range_count", ctypes.c_uint32),
        ("prefetches", ctypes.c_uint32),
        ("prefetched", ctypes.c_uint32),
        ("prefetch_end", ctypes.c_uint64),
        ("stream", _Stream),
        ("ranges", _Range * _MAX_RANGES),
    )


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Look-ups of one cache since the last restart."""

    name: str
    hits: int
    misses: int


class MemoryModel:
    """Caches and buses of a platform."""

    def __init__(
        self,
        platform: Platform,
        counter: InstructionCounter,
        timer_pointer: int,
        parameters: MemoryParameters | None = None,
    ) -> None:
        self._platform = platform
        self._counter = counter
        self._library = counter.library
        self.parameters = parameters or MemoryParameters()
        self._memory = ctypes.create_string_buffer(self._library.usim_memory_size())
        self._state = _Memory.from_buffer(self._memory)
        self._state.timer = timer_pointer
        self._state.counter = counter.pointer
        self._tables: dict[bytes, NativeAccesses] = {}
        self._state.writeback = self.parameters.writeback
        self._slow = [r for r in platform.regions if not _is_tightly_coupled(r)]
        self._slow += [r for r in platform.external if r.kind == "ram"]
        self._state.range_count = len(self._slow)
        for which, cache in enumerate((platform.core.icache, platform.core.dcache)):
            if cache is not None:
                sets = cache.size_bytes // cache.ways // cache.line_bytes
                self._library.usim_cache_configure(self.pointer, which, sets, cache.ways)
        # Fully associative, as far as the manual tells.
        self._library.usim_cache_configure(
            self.pointer, _CACHES["art"], 1, max(platform.flash.art_lines, 1)
        )
        self._library.usim_cache_configure(self.pointer, _LINE_BUFFERS, 1, _LINE_BUFFER_COUNT)
        self.restart()

    @property
    def pointer(self) -> int:
        """The address of the native state."""
        return ctypes.addressof(self._state)

    def set_flash(self, wait_states: int, *, art: bool, prefetch: bool) -> None:
        """FLASH_ACR's LATENCY, ARTEN, PRFTEN. What the bus adds to a row's time stays as it is."""
        self._state.prefetches = int(prefetch)
        self._library.usim_cache_enable(self.pointer, _CACHES["art"], int(art))
        rows = Fraction(wait_states + 1, self._platform.flash.wait_states + 1)
        for number, region in enumerate(self._slow):
            self._state.ranges[number] = self._range(region, rows)

    def _range(self, region: Region, rows: Fraction) -> _Range:
        """A region's waits; reading a row of flash takes `rows` of what the parameters are for."""
        p = self.parameters
        if region in self._platform.external:
            return _Range(
                base=region.base,
                end=region.end,
                line_fill=p.sdram_load * LINE_BYTES // _BUS_BYTES,
                uncached_load=p.sdram_load,
                uncached_store=p.sdram_store,
            )
        flash = region.kind == "flash"
        art = flash and region.alias_of is not None
        row = p.art_fill - round(p.art_fill * rows)  # cycles less than at the platform's own
        return _Range(
            base=region.base,
            end=region.end,
            cached=int(region.cached),
            line_fill=(p.art_fill if art else p.flash_fill) - row if flash else p.sram_fill,
            uncached_load=round(p.flash_uncached_load * rows) if flash else p.sram_uncached_load,
            uncached_store=p.sram_uncached_store,
            art=int(art),
        )

    def access(self, address: int, size_bytes: int, *, is_write: bool) -> None:
        """An access that the core makes by itself."""
        self._library.usim_memory_access(self.pointer, address, size_bytes, int(is_write))

    def accesses_of(self, code: bytes, address: int, in_it_block: int) -> int:
        """What a block does at its entry: the address of a native access_list_t."""
        key = address.to_bytes(4, "little") + bytes([in_it_block]) + code
        if key not in self._tables:
            self._tables[key] = NativeAccesses(find_accesses(code, address, in_it_block))
        return self._tables[key].pointer

    def points_of(self, code: bytes, address: int, in_it_block: int) -> list[int]:
        """Instructions of a block that need a hook: their accesses are prepared for it."""
        points = find_accesses(code, address, in_it_block).at_instruction
        for instruction, access in points:
            self._set_point(address, instruction, native_access(access))
        return [instruction for instruction, _ in points]

    def _set_point(self, block: int, instruction: int, access: NativeAccess) -> None:
        place = self.pointer, block, instruction, ctypes.byref(access)
        if not self._library.usim_memory_set_point(*place):
            # Full: start over. Blocks that still run are looked at again.
            self.forget_code()
            self._counter.forget()
            self._library.usim_memory_set_point(*place)

    def forget_code(self) -> None:
        """Code has changed: drop what is known of its accesses."""
        self._library.usim_memory_forget(self.pointer)

    def enable(self, *, instruction: bool, data: bool) -> None:
        """CCR.IC and CCR.DC."""
        self._library.usim_cache_enable(self.pointer, _CACHES["instruction"], int(instruction))
        self._library.usim_cache_enable(self.pointer, _CACHES["data"], int(data))

    def empty_art(self) -> None:
        """FLASH_ACR.ARTRST."""
        self._library.usim_cache_invalidate(self.pointer, _CACHES["art"])
        self._state.prefetched = 0

    def invalidate_instructions(self) -> None:
        """ICIALLU."""
        self._library.usim_cache_invalidate(self.pointer, _CACHES["instruction"])

    def invalidate_instruction_line(self, address: int) -> None:
        """ICIMVAU."""
        self._library.usim_cache_maintain_line(self.pointer, 0, address, 1)

    def maintain_line(self, address: int, *, invalidate: bool) -> None:
        """DCIMVAC, DCCMVAC, DCCMVAU or DCCIMVAC with the address that was written to it."""
        self._library.usim_cache_maintain_line(self.pointer, 1, address, int(invalidate))

    def maintain(self, set_way: int, *, invalidate: bool) -> None:
        """DCISW, DCCSW or DCCISW with the value that was written to it (B2.2.7)."""
        cache = self._platform.core.dcache
        if cache is None:
            return
        way_shift = 32 - (cache.ways - 1).bit_length()
        sets = cache.size_bytes // cache.ways // cache.line_bytes
        self._library.usim_cache_maintain(
            self.pointer, set_way >> 5 & (sets - 1), set_way >> way_shift, int(invalidate)
        )

    def geometry(self, *, instruction: bool) -> int:
        """CCSIDR (B4.8.3): NumSets - 1, Associativity - 1, log2(words in a line) - 2."""
        core = self._platform.core
        cache = core.icache if instruction else core.dcache
        if cache is None:
            return 0
        sets = cache.size_bytes // cache.ways // cache.line_bytes
        line = (cache.line_bytes // 4).bit_length() - 1 - 2
        return 0xF000_0000 | (sets - 1) << 13 | (cache.ways - 1) << 3 | line

    def drain(self) -> None:
        """Whatever the bus was asked is done: something else ran for a while, or time went back."""
        self._state.bus_free = self._state.prefetched = 0

    def restart(self) -> None:
        """As after a reset: caches empty and off, the flash as the platform states it."""
        self._library.usim_memory_restart(self.pointer)
        self.enable(instruction=False, data=False)
        self.set_flash(self._platform.flash.wait_states, art=True, prefetch=True)

    def use(self) -> tuple[CacheUse, ...]:
        """Hits and misses of each cache."""
        return tuple(
            CacheUse(
                name,
                int(self._library.usim_cache_hits(self.pointer, which)),
                int(self._library.usim_cache_misses(self.pointer, which)),
            )
            for name, which in _CACHES.items()
        )


def _is_tightly_coupled(region: Region) -> bool:
    # What is neither cached nor flash: ITCM and DTCM.
    return not region.cached and region.kind == "ram"
