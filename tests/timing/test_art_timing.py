"""Waits for the flash on the ITCM bus: the ART accelerator's rows, its prefetch, and constants."""

from __future__ import annotations

import pytest
from machine import FLASH, FLASH_ITCM, ITCM, SRAM_DATA, Machine, machine

from usim.timing.memory import LINE_BYTES, MemoryParameters

FIGURES = MemoryParameters()
ROW_INSTRUCTIONS = LINE_BYTES // 2


@pytest.fixture
def m():
    with machine() as opened:
        opened.caches(instruction=False, data=False)
        yield opened


def waits(m: Machine, text: str, at: int = FLASH_ITCM, **registers: int) -> int:
    """Cycles that a program waits for memory."""
    before = m.stalls
    m.run(text, at, {"r0": SRAM_DATA, **registers})
    return m.stalls - before


def rows(count: int, instruction: str = "nop") -> str:
    """Straight code of so many rows, with what a machine adds at the end."""
    return "; ".join([instruction] * (count * ROW_INSTRUCTIONS - 1))


def test_code_is_kept_by_rows_whether_the_instruction_cache_is_on_or_not(m):
    m.memory.set_flash(7, art=True, prefetch=False)
    text = f"movs r4, #5; 1: {'; '.join(['nop'] * 30)}; subs r4, #1; bne 1b"
    assert waits(m, text) == m.misses("art") * FIGURES.art_fill
    assert m.misses("art") == 3
    assert m.misses("instruction") == 0


def test_prefetch_reads_the_next_row_while_this_one_runs(m):
    """16 instructions of 16 bits take eight cycles, as long as a row of flash."""
    m.memory.set_flash(7, art=True, prefetch=False)
    assert waits(m, rows(8)) == 8 * FIGURES.art_fill
    m.device.reset()
    m.memory.set_flash(7, art=True, prefetch=True)
    assert FIGURES.art_fill <= waits(m, rows(8)) <= FIGURES.art_fill + 8


def test_prefetch_hides_less_of_code_that_runs_through_its_rows_faster(m):
    m.memory.set_flash(7, art=True, prefetch=True)
    wide = "; ".join(["add.w r1, r2, r3", "add.w r4, r5, r6"] * 32)
    waited = waits(m, wide)
    assert 8 * 2 < waited < 8 * FIGURES.art_fill


def test_prefetch_helps_no_jump(m):
    m.memory.set_flash(7, art=True, prefetch=True)
    skip = f"b 1f; .space {3 * LINE_BYTES}; 1: nop"
    assert waits(m, skip) >= 2 * FIGURES.art_fill


def test_without_the_accelerator_nothing_is_kept_but_two_lines(m):
    m.memory.set_flash(7, art=False, prefetch=True)
    text = f"movs r4, #5; 1: {'; '.join(['nop'] * 60)}; subs r4, #1; bne 1b"
    assert waits(m, text) > 15 * FIGURES.art_fill
    assert m.misses("art") == 0


def test_constants_that_are_read_through_it_are_kept_as_well(m):
    load = "ldr r1, [r0]; ldr r2, [r0, #4]; ldr r3, [r0, #28]"
    constants = FLASH_ITCM + 0x4000
    assert waits(m, load, ITCM, r0=constants) == FIGURES.art_fill
    assert waits(m, load, ITCM, r0=constants) == 0
    m.memory.set_flash(7, art=False, prefetch=False)
    assert waits(m, load, ITCM, r0=constants) == 3 * FIGURES.flash_uncached_load


def test_the_other_bus_has_no_accelerator(m):
    for _ in range(2):
        waited = waits(m, "ldr r1, [r0]", ITCM, r0=FLASH + 0x4000)
        assert waited == FIGURES.flash_uncached_load
