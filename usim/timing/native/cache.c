/*
 * cache.c - what a cache holds: look-ups, victims, maintenance.
 *
 * The data cache takes the places of its sets in turn, all sets by one counter; the other caches
 * give up the line that was used least recently. (On an STM32F746 a chase through twice as many
 * lines as its data cache holds finds three out of eight: docs/timing.md.)
 */
#include "memory.h"

/* Where in a set of full ways a new line goes. */
static uint32_t victim_of(cache_t *cache, uint32_t first) {
    uint32_t victim = first;
    for (uint32_t i = first; i < first + cache->ways; i++) {
        if (cache->tags[i] == 0U) {
            return i;
        }
        if (cache->order[i] < cache->order[victim]) {
            victim = i;
        }
    }
    if (cache->in_turn == 0U) {
        return victim;
    }
    const uint32_t way = (cache->turn + cache->turn / SKIP_AFTER) % cache->ways;
    cache->turn++;
    return first + way;
}

/* The place of a line, or the end of its set. */
static uint32_t place_of(const cache_t *cache, uint32_t line, uint32_t first) {
    uint32_t place = first;
    while (place < first + cache->ways && cache->tags[place] != line + 1U) {
        place++;
    }
    return place;
}

uint32_t usim_cache_holds(const cache_t *cache, uint32_t line) {
    const uint32_t first = (line & (cache->sets - 1U)) * cache->ways;
    return place_of(cache, line, first) < first + cache->ways;
}

enum lookup usim_cache_look_up(cache_t *cache, uint32_t line, uint32_t is_write) {
    const uint32_t first = (line & (cache->sets - 1U)) * cache->ways;
    uint32_t place = place_of(cache, line, first);
    enum lookup result = HIT;
    cache->clock++;
    if (place < first + cache->ways) {
        cache->hits++;
        cache->dirty[place] |= (uint8_t)is_write;
    } else {
        place = victim_of(cache, first);
        result = cache->tags[place] != 0U && cache->dirty[place] != 0U ? MISS_DIRTY : MISS;
        cache->tags[place] = line + 1U;
        cache->dirty[place] = (uint8_t)is_write;
        cache->misses++;
        cache->writebacks += result == MISS_DIRTY;
    }
    cache->order[place] = cache->clock;
    return result;
}

cache_t *usim_cache_by_number(memory_t *memory, uint32_t which) {
    cache_t *const caches[CACHES] = {&memory->instruction, &memory->data, &memory->art,
                                     &memory->line_buffers};
    return caches[which];
}

/* 0 instruction, 1 data, 2 ART, 3 buffers of the fetch unit. */
USIM_EXPORT void usim_cache_configure(memory_t *memory, uint32_t which, uint32_t sets,
                                      uint32_t ways) {
    cache_t *cache = usim_cache_by_number(memory, which);
    cache->sets = sets;
    cache->ways = ways;
    cache->in_turn = cache == &memory->data;
}

USIM_EXPORT void usim_cache_enable(memory_t *memory, uint32_t which, uint32_t enabled) {
    usim_cache_by_number(memory, which)->enabled = enabled;
}

USIM_EXPORT void usim_cache_invalidate(memory_t *memory, uint32_t which) {
    cache_t *cache = usim_cache_by_number(memory, which);
    for (uint32_t i = 0; i < MAX_LINES; i++) {
        cache->tags[i] = 0;
        cache->dirty[i] = 0;
    }
}

/* Cache maintenance of one line by set and way: `invalidate` it, or only clean it. */
USIM_EXPORT void usim_cache_maintain(memory_t *memory, uint32_t set, uint32_t way,
                                     uint32_t invalidate) {
    cache_t *cache = &memory->data;
    if (set >= cache->sets || way >= cache->ways) {
        return;
    }
    const uint32_t i = set * cache->ways + way;
    cache->dirty[i] = 0;
    if (invalidate != 0U) {
        cache->tags[i] = 0;
    }
}

/* The same of the line that holds an address, if the cache has it. */
USIM_EXPORT void usim_cache_maintain_line(memory_t *memory, uint32_t which, uint32_t address,
                                          uint32_t invalidate) {
    cache_t *cache = usim_cache_by_number(memory, which);
    const uint32_t line = address >> LINE_SHIFT;
    const uint32_t first = (line & (cache->sets - 1U)) * cache->ways;
    for (uint32_t i = first; i < first + cache->ways; i++) {
        if (cache->tags[i] == line + 1U) {
            cache->dirty[i] = 0;
            cache->tags[i] = invalidate != 0U ? 0U : cache->tags[i];
        }
    }
}

USIM_EXPORT uint64_t usim_cache_misses(memory_t *memory, uint32_t which) {
    return usim_cache_by_number(memory, which)->misses;
}

USIM_EXPORT uint64_t usim_cache_hits(memory_t *memory, uint32_t which) {
    return usim_cache_by_number(memory, which)->hits;
}
