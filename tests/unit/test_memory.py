"""Allocation in a section: no overlap, alignment, merging, and what is said when it is full."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from usim.errors import MemoryFullError
from usim.memory import Block, SectionAllocator
from usim.platforms.facts import Extent, Section

EXTENTS = (Extent("fast", 0x2000_0004, 1000), Extent("slow", 0x2001_0000, 3000))


def make(*extents: Extent) -> SectionAllocator:
    return SectionAllocator(Section("heap", extents or EXTENTS), platform="chip")


class Allocations(RuleBasedStateMachine):
    """Any order of allocating and freeing."""

    blocks = Bundle("blocks")

    def __init__(self) -> None:
        super().__init__()
        self.allocator = make()
        self.live: dict[int, tuple[Block, int]] = {}

    @rule(
        target=blocks,
        size=st.integers(0, 700),
        alignment=st.sampled_from([1, 2, 4, 8, 16, 32, 256]),
    )
    def allocate(self, size: int, alignment: int) -> Block | None:
        try:
            block = self.allocator.allocate(size, alignment)
        except MemoryFullError as error:
            assert error.available_bytes < size + alignment
            return None
        assert block.address % alignment == 0
        assert block.size_bytes >= size
        self.live[block.address] = block, alignment
        return block

    @rule(block=consumes(blocks), later=st.booleans())
    def free(self, block: Block | None, later: bool) -> None:
        if block is None:
            return
        (self.allocator.free_later if later else self.allocator.free)(block)
        del self.live[block.address]

    @invariant()
    def blocks_lie_in_extents_and_apart(self) -> None:
        blocks = sorted((b for b, _ in self.live.values()), key=lambda block: block.address)
        for block in blocks:
            assert any(
                e.base <= block.address and block.address + block.size_bytes <= e.end
                for e in EXTENTS
            )
        for first, second in pairwise(blocks):
            assert first.address + first.size_bytes <= second.address

    @invariant()
    def figures_add_up(self) -> None:
        used = sum(block.size_bytes for block, _ in self.live.values())
        assert self.allocator.used_bytes == used <= self.allocator.peak_bytes

    def teardown(self) -> None:
        for block, _ in self.live.values():
            self.allocator.free(block)
        assert self.allocator.used_bytes == 0
        for extent in EXTENTS:  # all gaps have merged again
            assert self.allocator.allocate(extent.size_bytes, 1).address == extent.base


TestAllocations = Allocations.TestCase
TestAllocations.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_the_first_extent_is_preferred_and_the_second_takes_what_it_cannot():
    allocator = make()
    assert allocator.allocate(900).address < 0x2001_0000
    assert allocator.allocate(900).address >= 0x2001_0000
    assert allocator.allocate(90).address < 0x2001_0000


def test_the_tightest_gap_is_taken():
    allocator = make(Extent("r", 0x1000, 0x1000))
    blocks = [allocator.allocate(size) for size in (64, 8, 32, 8, 128, 8)]
    for index in (0, 2, 4):
        allocator.free(blocks[index])
    assert allocator.allocate(32).address == blocks[2].address


def test_a_full_section_says_what_is_needed_and_what_is_there():
    allocator = make()
    allocator.allocate(2048)
    with pytest.raises(MemoryFullError) as caught:
        allocator.allocate(4096)
    error = caught.value
    assert (error.section, error.needed_bytes, error.available_bytes) == ("heap", 4096, 1000)
    assert str(error) == (
        "section heap of chip: 4 KiB needed, largest free block 1,000 bytes (2 KiB of 4,000 "
        "bytes in use)"
    )


def test_a_failed_allocation_changes_nothing():
    allocator = make()
    with pytest.raises(MemoryFullError):
        allocator.allocate(5000)
    assert (allocator.used_bytes, allocator.peak_bytes, allocator.largest_gap_bytes) == (0, 0, 3000)


def test_freeing_twice_is_refused():
    allocator = make()
    block = allocator.allocate(10)
    allocator.free(block)
    with pytest.raises(ValueError, match="is not allocated"):
        allocator.free(block)


def test_the_peak_stays():
    allocator = make()
    block = allocator.allocate(500)
    allocator.free(block)
    allocator.allocate(10)
    assert (allocator.used_bytes, allocator.peak_bytes) == (10, 500)
