/*
 * fetch.c - what fetching instructions costs: through the I-cache, without it, through the ART.
 *
 * Without a cache instructions still come in lines: the two line-fill buffers of the fetch unit
 * hold what was read last, so a loop that fits waits once, and a jump to elsewhere each time.
 */
#include "memory.h"

/* A row of flash in the ART accelerator's cache, or on its way there because the row before was
 * used (PRFTEN), or still to be read. `now` is when the core gets there; returns what it waits. */
static uint64_t fetch_row(memory_t *memory, const range_t *range, uint32_t row, uint64_t now) {
    uint64_t wait = 0;
    if (usim_cache_look_up(&memory->art, row, 0U) != HIT) {
        wait = range->line_fill;
        if (memory->prefetched == row + 1U) {
            const uint64_t left = memory->prefetch_end > now ? memory->prefetch_end - now : 0U;
            wait = left < wait ? left : wait;
        }
    }
    if (memory->prefetches != 0U && memory->prefetched != row + 2U &&
        usim_cache_holds(&memory->art, row + 1U) == 0U) {
        memory->prefetched = row + 2U;
        memory->prefetch_end = now + wait + range->line_fill;
    }
    return wait;
}

/* The rows of a block, each at its time if instructions take equally long by size. */
static void fetch_through_art(memory_t *memory, const range_t *range, const price_t *block) {
    timer_t *timer = memory->timer;
    const uint32_t start = timer->block_address;
    const uint32_t size = timer->block_size;
    const uint64_t begin = timer->cycles - block->cycles;
    uint64_t waited = 0;
    for (uint32_t row = start >> LINE_SHIFT; row <= (start + size - 1U) >> LINE_SHIFT; row++) {
        const uint32_t at = row << LINE_SHIFT;
        const uint64_t before = at > start ? (uint64_t)block->cycles * (at - start) / size : 0U;
        waited += fetch_row(memory, range, row, begin + before + waited);
    }
    usim_stall(timer, waited);
}

/* All of the block, also if the run will end inside of it. */
void usim_fetch_block(memory_t *memory, const price_t *block) {
    const uint32_t start = memory->timer->block_address;
    const uint32_t size = memory->timer->block_size;
    const range_t *range = usim_find_range(memory, start);
    if (range == NULL || size == 0U) {
        return;
    }
    if (range->art != 0U && memory->art.enabled != 0U) {
        fetch_through_art(memory, range, block);
        return;
    }
    const uint32_t is_cached = range->cached != 0U && memory->instruction.enabled != 0U;
    cache_t *cache = is_cached != 0U ? &memory->instruction : &memory->line_buffers;
    const uint32_t last = (start + size - 1U) >> LINE_SHIFT;
    for (uint32_t line = start >> LINE_SHIFT; line <= last; line++) {
        if (usim_cache_look_up(cache, line, 0U) != HIT) {
            usim_wait_for_bus(memory, range->line_fill, 0U);
        }
    }
}
