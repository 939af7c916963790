"""Waits for memory: patterns whose hits, misses and waits can be counted by hand.

Code is in the ITCM unless the test is about fetches, so that only data waits.
"""

from __future__ import annotations

import numpy as np
import pytest
from machine import (
    DTCM,
    FLASH,
    ITCM,
    SRAM,
    SRAM_DATA,
    TIMEOUT_S,
    Machine,
    machine,
)

import usim
from usim.timing.memory import LINE_BYTES, MemoryParameters

FIGURES = MemoryParameters()
# One way of the data cache: addresses this far apart share a set.
WAY = {"stm32f746": 1024, "stm32f767": 4096}
CCR = 0xE000_ED14
# Long enough for the bus to finish whatever it was asked.
REST = "; ".join(["isb"] * 20)


@pytest.fixture
def m():
    with machine() as opened:
        opened.caches(instruction=True, data=True)
        yield opened


def waits(m: Machine, text: str, at: int = ITCM, **registers: int) -> int:
    """Cycles that a program waits for memory."""
    before = m.stalls
    m.run(text, at, {"r0": SRAM_DATA, **registers})
    return m.stalls - before


def walk(step: int, times: int, access: str = "ldr r1, [r0]") -> str:
    """Access after access, `step` bytes apart."""
    loop = f"movw r3, #{step}; movw r4, #{times}; 1: {access}"
    return f"{loop}; add r0, r0, r3; subs r4, #1; bne 1b"


# The data cache.


def test_a_line_is_waited_for_once(m):
    assert waits(m, "ldr r1, [r0]; b 1f; 1: ldr r1, [r0]; ldr r1, [r0, #28]") == FIGURES.sram_fill
    assert m.misses() == 1
    assert waits(m, "ldr r1, [r0, #16]") == 0


@pytest.mark.parametrize(("step", "lines"), [(4, 8), (8, 16), (16, 32), (32, 64), (64, 64)])
def test_a_walk_misses_once_a_line(m, step, lines):
    assert waits(m, walk(step, 64)) == lines * FIGURES.sram_fill
    assert m.misses() == lines
    assert m.hits() == 64 - lines


def test_an_access_across_two_lines_waits_for_both(m):
    assert waits(m, "ldr r1, [r0, #30]") == 2 * FIGURES.sram_fill


def test_a_block_of_words_waits_for_each_of_its_lines(m):
    assert waits(m, "add r0, #24; ldm r0, {r1-r12}") == 3 * FIGURES.sram_fill


@pytest.mark.parametrize("chip", WAY)
def test_four_lines_of_a_set_stay_and_the_fifth_takes_the_place_whose_turn_it_is(chip):
    with machine(platform=chip) as m:
        m.caches(instruction=True, data=True)
        step = WAY[chip]
        assert waits(m, walk(step, 4)) == 4 * FIGURES.sram_fill
        assert waits(m, walk(step, 4)) == 0
        # Used again, the first has to go all the same.
        assert waits(m, "ldr r1, [r0]") == 0
        assert waits(m, "ldr r1, [r0]", r0=SRAM_DATA + 4 * step) == FIGURES.sram_fill
        assert waits(m, walk(step, 3), r0=SRAM_DATA + step) == 0
        assert waits(m, "ldr r1, [r0]") == FIGURES.sram_fill


@pytest.mark.parametrize(
    ("chip", "least", "most"),
    [("stm32f746", 0.6, 0.7), ("stm32f767", 0, 0)],
    ids=["4 KiB", "16 KiB"],
)
def test_eight_kibibytes_stay_only_in_the_larger_cache(chip, least, most):
    """An STM32F746 finds a third of them again in its 4 KiB: 36.1 ns a load, 14.0 for a hit, 46.0
    if nearly all miss (docs/timing.md)."""
    with machine(platform=chip) as m:
        m.caches(instruction=True, data=True)
        assert waits(m, walk(LINE_BYTES, 256)) == 256 * FIGURES.sram_fill
        again = [waits(m, walk(LINE_BYTES, 256)) for _ in range(20)]
        assert least <= sum(again[4:]) / 16 / 256 / FIGURES.sram_fill <= most


def test_what_fits_stays(m):
    waits(m, walk(LINE_BYTES, 128))
    assert waits(m, walk(LINE_BYTES, 128)) == 0


def test_a_line_of_flash_takes_longer_than_one_of_sram(m):
    assert waits(m, "ldr r1, [r0]", r0=FLASH + 0x1000) == FIGURES.flash_fill
    assert FIGURES.flash_fill > FIGURES.sram_fill


# Stores.


def test_a_store_that_misses_brings_its_line_in_and_waits_for_nothing(m):
    assert waits(m, f"str r1, [r0]; {REST}; ldr r1, [r0, #4]") == 0
    assert (m.misses(), m.hits()) == (1, 1)


def test_stores_that_miss_wait_once_the_bus_is_busy(m):
    """The first line is on its way when the second is wanted; so is the second for the third."""
    text = "str r1, [r0]; b 1f; 1: str r1, [r0, #32]; b 2f; 2: str r1, [r0, #64]"
    waited = waits(m, text)
    assert 2 * FIGURES.sram_fill - 6 <= waited < 2 * FIGURES.sram_fill
    assert waits(m, text.replace("b 1f", REST), r0=SRAM_DATA + 0x100) < waited


def test_a_load_waits_for_the_store_that_is_being_filled(m):
    text = "str r1, [r0]; b 1f; 1: ldr r2, [r0, #32]"
    assert FIGURES.sram_fill < waits(m, text) < 2 * FIGURES.sram_fill + 1


def test_a_changed_line_is_written_back_when_it_has_to_go(m):
    """The load of the fifth line of a set waits for its own only; what comes behind it for both."""
    waits(m, f"str r1, [r0]; {REST}")
    waits(m, walk(1024, 3), r0=SRAM_DATA + 1024)
    text = "ldr r1, [r0]; b 1f; 1: ldr r1, [r0, #32]"
    dirty = waits(m, text, r0=SRAM_DATA + 4 * 1024)
    m.device.reset()
    m.caches(instruction=True, data=True)
    waits(m, walk(1024, 4))
    clean = waits(m, text, r0=SRAM_DATA + 4 * 1024)
    assert clean == 2 * FIGURES.sram_fill
    assert clean < dirty <= clean + FIGURES.writeback


def test_a_line_that_was_only_read_is_not_written_back(m):
    assert waits(m, walk(1024, 20)) == 20 * FIGURES.sram_fill


# Dynamic read allocate mode (TRM 5.9.1).

FILL_LINES = "1: stm r0!, {r5-r8}; stm r0!, {r5-r8}; subs r4, #1; bne 1b"


def test_whole_lines_that_are_written_are_not_brought_in_after_the_third(m):
    """As on an STM32F746, which fills 64 KiB as fast as 4 KiB: 756 and 751 MB/s."""
    waited = waits(m, f"movs r4, #100; {FILL_LINES}")
    assert m.misses() == 3
    assert waited < 5 * 100
    assert waits(m, "ldr r1, [r0]", r0=SRAM_DATA + 50 * LINE_BYTES) == FIGURES.sram_fill


def test_lines_that_are_written_in_part_are_brought_in(m):
    text = "movs r4, #100; 1: stm r0!, {r5-r8}; add r0, #16; subs r4, #1; bne 1b"
    waits(m, text)
    assert m.misses() == 100


def test_lines_that_are_written_slowly_are_brought_in(m):
    waits(m, f"movs r4, #100; 1: str r5, [r0], #4; {REST}; subs r4, #1; bne 1b")
    assert m.misses() == 13


def test_writing_elsewhere_ends_it(m):
    waits(m, f"movs r4, #10; {FILL_LINES}; str r1, [r0, #64]; str r1, [r0, #128]")
    assert m.misses() == 3 + 1


# Without a cache.


def test_with_the_cache_off_each_load_waits(m):
    m.caches(instruction=True, data=False)
    assert waits(m, walk(4, 10)) == 10 * FIGURES.sram_uncached_load
    assert waits(m, walk(4, 10), r0=FLASH) == 10 * FIGURES.flash_uncached_load
    assert m.misses() == m.hits() == 0


def test_with_the_cache_off_neighbouring_loads_of_a_block_wait_each(m):
    m.caches(instruction=True, data=False)
    text = "ldr r1, [r0]; ldr r2, [r0, #4]; ldr r3, [r0, #8]"
    assert waits(m, text) == 3 * FIGURES.sram_uncached_load
    assert waits(m, "ldm r0, {r1-r4}") == 2 * FIGURES.sram_uncached_load, "64 bits at a time"


def test_with_the_cache_off_stores_wait_for_the_one_before(m):
    m.caches(instruction=True, data=False)
    assert waits(m, f"str r1, [r0]; {REST}") == 0
    assert (
        0
        < waits(m, walk(8, 10, "str r1, [r0]; str r1, [r0, #4]"))
        < 20 * FIGURES.sram_uncached_store
    )


@pytest.mark.parametrize("access", ["ldr r1, [r0]", "str r1, [r0]", "ldrd r1, r2, [r0]"])
@pytest.mark.parametrize("cached", [True, False])
def test_tightly_coupled_memory_costs_nothing(m, access, cached):
    m.caches(instruction=cached, data=cached)
    assert waits(m, walk(32, 100, access), r0=DTCM + 0x4000) == 0
    assert m.misses() == m.hits() == 0


def test_sdram_of_a_board_is_waited_for_each_time():
    """Device memory. On a Discovery kit a load in a chain takes 104 ns, 14 ns of it in TCM too."""
    with machine(platform="stm32f746g_disco") as m:
        m.caches(instruction=True, data=True)
        assert waits(m, walk(4, 10), r0=0xC000_0000) == 10 * FIGURES.sdram_load
        assert m.misses() == m.hits() == 0


def test_code_in_the_itcm_and_literals_beside_it_cost_nothing(m):
    assert waits(m, "ldr r1, 1f; b 2f; .balign 4; 1: .word 1; 2: nop") == 0


# Fetches.


def straight(halfwords: int) -> str:
    return "; ".join(["nop"] * halfwords)


@pytest.mark.parametrize(("at", "fill"), [(SRAM, "sram_fill"), (FLASH, "flash_fill")])
def test_code_misses_once_a_line(m, at, fill):
    assert waits(m, straight(63), at) == 4 * getattr(FIGURES, fill)
    assert m.misses("instruction") == 4


def test_a_loop_is_fetched_once(m):
    assert waits(m, "movs r4, #50; 1: nop; subs r4, #1; bne 1b", SRAM) == FIGURES.sram_fill


def test_code_larger_than_the_cache_is_fetched_again(m):
    """4 KiB hold 128 lines; a loop over 160 of them finds none that it needs."""
    body = straight(160 * 16 - 4)
    text = f"nop; movs r4, #3; 1: {body}; subs r4, #1; beq 2f; b.w 1b; 2: nop"
    with machine() as small, machine(platform="stm32f767") as large:
        for opened in (small, large):
            opened.caches(instruction=True, data=True)
            waits(opened, text, SRAM)
        assert large.misses("instruction") in (160, 161)
        assert small.misses("instruction") > 2 * 160


def test_without_a_cache_each_line_of_code_waits(m):
    m.caches(instruction=False, data=False)
    assert waits(m, straight(63), SRAM) == 4 * FIGURES.sram_fill
    m.device.reset()
    assert waits(m, straight(63), FLASH) == 4 * FIGURES.flash_fill


def test_without_a_cache_a_loop_that_fits_into_two_line_buffers_is_fetched_once(m):
    """As on an STM32F767: a loop of two stores takes two cycles (docs/timing.md)."""
    m.caches(instruction=False, data=False)
    assert waits(m, "movs r4, #50; 1: nop; subs r4, #1; bne 1b", FLASH) == FIGURES.flash_fill
    m.device.reset()
    loop = f"nop; nop; movs r4, #50; 1: {straight(26)}; subs r4, #1; bne 1b"
    assert waits(m, loop, FLASH) == 2 * FIGURES.flash_fill
    m.device.reset()
    longer = f"nop; nop; movs r4, #50; 1: {straight(42)}; subs r4, #1; bne 1b"
    assert waits(m, longer, FLASH) > 100 * FIGURES.flash_fill


# As a program switches and maintains them.

ON = "movw r8, #0xED14; movt r8, #0xE000; ldr r9, [r8]; orr r9, r9, #0x30000; str r9, [r8];dsb; isb"
OFF = ON.replace("orr r9", "bic r9")


def test_a_program_switches_the_caches_in_ccr(m):
    m.device.reset()
    off = waits(
        m, f"{walk(4, 8)}; {ON}; sub r0, #32; {walk(4, 8).replace('1:', '2:').replace('1b', '2b')}"
    )
    assert off == 8 * FIGURES.sram_uncached_load + FIGURES.sram_fill
    assert waits(m, f"{OFF}; ldr r1, [r0]") == FIGURES.sram_uncached_load


def test_after_a_reset_they_are_off_and_empty(m):
    waits(m, "ldr r1, [r0]")
    m.device.reset()
    assert waits(m, "ldr r1, [r0]") == FIGURES.sram_uncached_load
    assert waits(m, f"{ON}; ldr r1, [r0]") == FIGURES.sram_fill


@pytest.mark.parametrize(
    ("chip", "which", "geometry"),
    [
        # Sets - 1 in bits 27:13, ways - 1 in 12:3, lines of 8 words: 1.
        ("stm32f746", 0, (31, 3, 1)),
        ("stm32f746", 1, (63, 1, 1)),
        ("stm32f767", 0, (127, 3, 1)),
        ("stm32f767", 1, (255, 1, 1)),
    ],
)
def test_ccsidr_tells_the_geometry(chip, which, geometry):
    with machine(platform=chip) as m:
        m.run(
            f"movw r1, #0xED84; movt r1, #0xE000; movs r2, #{which}; str r2, [r1]; dsb;"
            "movw r1, #0xED80; movt r1, #0xE000; ldr r3, [r1]",
            ITCM,
        )
        value = m.device.read_register("r3")
    assert (value >> 13 & 0x7FFF, value >> 3 & 0x3FF, value & 7) == geometry


def maintain(register: int) -> str:
    """What device_runtime/caches.c does, for the F746: every set and way."""
    loop = (
        "movs r1, #0; 5: movs r2, #0; 6: lsl r3, r2, #30; orr r3, r3, r1, lsl #5; str r3, [r8];"
        "adds r2, #1; cmp r2, #4; bne 6b; adds r1, #1; cmp r1, #32; bne 5b; dsb; isb"
    )
    return f"movw r8, #{register & 0xFFFF}; movt r8, #{register >> 16}; {loop}"


def test_invalidating_by_set_and_way_empties_the_cache(m):
    waits(m, walk(LINE_BYTES, 128))
    waits(m, maintain(0xE000_EF60))
    assert waits(m, walk(LINE_BYTES, 128)) == 128 * FIGURES.sram_fill


def test_cleaning_by_set_and_way_keeps_lines_but_leaves_nothing_to_write_back(m):
    waits(m, f"{walk(LINE_BYTES, 128, 'str r1, [r0]')}; {REST}")
    waits(m, maintain(0xE000_EF6C))
    assert waits(m, walk(LINE_BYTES, 128)) == 0, "they are still there"
    assert waits(m, walk(LINE_BYTES, 128), r0=SRAM_DATA + 0x1000) == 128 * FIGURES.sram_fill


def test_without_cleaning_they_are_written_back(m):
    waits(m, f"{walk(LINE_BYTES, 128, 'str r1, [r0]')}; {REST}")
    waited = waits(m, walk(LINE_BYTES, 128), r0=SRAM_DATA + 0x1000)
    assert waited > 128 * FIGURES.sram_fill


def test_invalidating_instructions_has_them_fetched_again(m):
    text = "movw r8, #0xEF50; movt r8, #0xE000; movs r1, #0; str r1, [r8]; dsb; isb"
    waits(m, straight(63), SRAM)
    waits(m, text)
    m.device.write_register("pc", SRAM)
    before = m.misses("instruction")
    m.device.run_until(SRAM + 128, TIMEOUT_S)
    assert m.misses("instruction") == before + 4


def test_the_runtime_switches_them_on_for_a_batch_and_off_when_the_host_looks():
    """A debug port sees memory, not what the data cache holds."""
    with usim.Session("stm32f746", timing="full").open() as session:
        model = session.load_model("usim/demo/cifar10_cnn.tflite")
        model.profile(np.zeros((1, 32, 32, 3), np.int8))
        device = session._device
        used = {use.name: use for use in device.core.engine.memory.use()}
        assert used["data"].hits > 10 * used["data"].misses > 0
        ccr = device.core.system.read(CCR - 0xE000_0000, 4)
        assert ccr & 0x30000 == 0
