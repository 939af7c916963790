/*
 * memory.c - what waiting for memory costs: I- and D-cache, ART, and buses without a cache.
 *
 * Called for each block, with the accesses whose addresses follow from its entry registers, and for
 * each single access that has to be looked at when it happens. Caches are write-back,
 * write-allocate, least recently used. A load waits for its line; a store that misses waits only if
 * the bus is still busy with an earlier line.
 */
#include "memory.h"

static const range_t *find_range(const memory_t *memory, uint32_t address) {
    for (uint32_t i = 0; i < memory->range_count; i++) {
        if (address >= memory->ranges[i].base && address < memory->ranges[i].end) {
            return &memory->ranges[i];
        }
    }
    return NULL;
}

enum lookup { HIT = 0, MISS = 1, MISS_DIRTY = 2 };

/* Look a line up and bring it in. */
static uint32_t access_line(cache_t *cache, uint32_t line, uint32_t is_write) {
    const uint32_t set = line & (cache->sets - 1U);
    const uint32_t first = set * cache->ways;
    uint32_t victim = first;
    cache->clock++;
    for (uint32_t i = first; i < first + cache->ways; i++) {
        if (cache->tags[i] == line + 1U) {
            cache->order[i] = cache->clock;
            cache->dirty[i] |= (uint8_t)is_write;
            cache->hits++;
            return HIT;
        }
        if (cache->tags[i] == 0U) {
            victim = cache->tags[victim] == 0U ? victim : i;
        } else if (cache->tags[victim] != 0U && cache->order[i] < cache->order[victim]) {
            victim = i;
        }
    }
    const uint32_t was_dirty = cache->tags[victim] != 0U && cache->dirty[victim] != 0U;
    cache->tags[victim] = line + 1U;
    cache->order[victim] = cache->clock;
    cache->dirty[victim] = (uint8_t)is_write;
    cache->misses++;
    cache->writebacks += was_dirty;
    return was_dirty != 0U ? MISS_DIRTY : MISS;
}

static void stall(timer_t *timer, uint64_t cycles) {
    timer->cycles += cycles;
    timer->stalls += cycles;
    timer->nodes[timer->node].cycles += cycles;
    if (timer->previous != NULL) {
        timer->previous->stall_cycles += cycles;
    }
}

/* The core waits until the bus, which it asks now, has answered after `cycles`. */
static void wait_for_bus(memory_t *memory, uint64_t cycles, uint64_t after) {
    timer_t *timer = memory->timer;
    const uint64_t now = timer->cycles;
    const uint64_t begin = memory->bus_free > now ? memory->bus_free : now;
    memory->bus_free = begin + cycles + after;
    stall(timer, begin + cycles - now);
}

/* The bus is asked in the background; the core waits only while it is busy with something else. */
static void post_to_bus(memory_t *memory, uint64_t cycles) {
    timer_t *timer = memory->timer;
    const uint64_t now = timer->cycles;
    if (memory->bus_free > now) {
        stall(timer, memory->bus_free - now);
    }
    memory->bus_free = timer->cycles + cycles;
}

static void access_data_line(memory_t *memory, const range_t *range, uint32_t line,
                             uint32_t is_write) {
    const uint32_t result = access_line(&memory->data, line, is_write);
    if (result == HIT) {
        return;
    }
    const uint64_t after = result == MISS_DIRTY ? memory->writeback : 0U;
    if (is_write != 0U) {
        post_to_bus(memory, range->line_fill + after);
    } else {
        wait_for_bus(memory, range->line_fill, after);
    }
}

static uint32_t evaluate(const linear_t *form, const uint32_t *values) {
    uint32_t result = form->offset;
    for (uint32_t i = 0; i < form->terms; i++) {
        result += values[form->places[i]] << form->shifts[i];
    }
    return result;
}

static void access_data(memory_t *memory, const access_t *access, const uint32_t *values) {
    const uint32_t at = evaluate(&access->address, values);
    const range_t *range = find_range(memory, at);
    if (range == NULL) {
        return; /* tightly coupled */
    }
    if (range->cached == 0U || memory->data.enabled == 0U) {
        if (access->is_write != 0U) {
            post_to_bus(memory, (uint64_t)access->transfers * range->uncached_store);
        } else {
            wait_for_bus(memory, (uint64_t)access->transfers * range->uncached_load, 0U);
        }
        return;
    }
    const uint32_t last = (at + access->size - 1U) >> LINE_SHIFT;
    for (uint32_t line = at >> LINE_SHIFT; line <= last; line++) {
        access_data_line(memory, range, line, access->is_write);
    }
}

/* An access that the core makes by itself: of an exception's frame, or of a vector. */
USIM_EXPORT void usim_memory_access(memory_t *memory, uint32_t address, uint32_t size,
                                    uint32_t is_write) {
    const access_t access = {.address = {.offset = address},
                             .size = (uint16_t)size,
                             .is_write = (uint8_t)is_write,
                             .transfers = (size + 7U) / 8U};
    access_data(memory, &access, NULL);
}

static void read_registers(const memory_t *memory, uint32_t mask, uint32_t *values) {
    const counter_t *counter = memory->counter;
    for (; mask != 0U; mask &= mask - 1U) {
        const uint32_t number = (uint32_t)__builtin_ctz(mask);
        counter->reg_read(counter->engine, counter->register_ids[number], &values[number]);
    }
}

/* A little-endian value in memory. Peripherals are never read: that may change them. */
static uint32_t load(const counter_t *counter, uint32_t address, int32_t size) {
    const uint32_t length = (uint32_t)(size < 0 ? -size : size);
    uint8_t bytes[4] = {0};
    if (address >= FIRST_PERIPHERAL ||
        counter->mem_read(counter->engine, address, bytes, length) != 0) {
        return 0;
    }
    const uint32_t value =
        bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    return size == -1 ? (uint32_t)(int8_t)value : size == -2 ? (uint32_t)(int16_t)value : value;
}

static uint32_t fill_cell(const counter_t *counter, const cell_t *cell, const uint32_t *values) {
    const uint32_t source = evaluate(&cell->source, values);
    switch (cell->kind) {
    case CELL_LOAD:
        return load(counter, source, (int32_t)cell->operand);
    case CELL_OR:
        return source | cell->operand;
    case CELL_AND:
        return source & cell->operand;
    case CELL_XOR:
        return source ^ cell->operand;
    case CELL_LSR:
        return source >> cell->operand;
    case CELL_ASR:
        return (uint32_t)((int32_t)source >> cell->operand);
    default:
        return 0U - source;
    }
}

static void access_block(memory_t *memory, const access_list_t *list) {
    uint32_t values[FIRST_CELL + MAX_CELLS];
    if (list == NULL || list->access_count == 0U) {
        return;
    }
    read_registers(memory, list->registers, values);
    for (uint32_t i = 0; i < list->cell_count; i++) {
        values[FIRST_CELL + i] = fill_cell(memory->counter, &list->cells[i], values);
    }
    for (uint32_t i = 0; i < list->access_count; i++) {
        access_data(memory, &list->accesses[i], values);
    }
}

/* The same instruction may be known in one block and not in another that overlaps it. */
static uint32_t point_index(const memory_t *memory, uint32_t block, uint32_t instruction) {
    const uint64_t key = ((uint64_t)block << 32 | instruction) + 1U;
    uint32_t index = (uint32_t)((key * 0x9E3779B97F4A7C15ULL) >> 48) & (POINTS - 1U);
    while (memory->points[index].key != 0U && memory->points[index].key != key) {
        index = (index + 1U) & (POINTS - 1U);
    }
    return index;
}

/* UC_HOOK_CODE on a load or store whose address is not known before. */
USIM_EXPORT void usim_on_access(void *engine, uint64_t address, uint32_t size, void *user) {
    memory_t *memory = user;
    counter_t *counter = memory->counter;
    const uint32_t at = (uint32_t)address;
    uint32_t registers[16];
    (void)engine;
    (void)size;
    usim_note_hook(counter);
    if (counter->stop_reason != RUNNING ||
        (at == counter->stop_address && at != counter->block_address)) {
        return; /* the run ends before this instruction */
    }
    const uint32_t index = point_index(memory, memory->block, at);
    if (memory->points[index].key == 0U) {
        return; /* known at this block's entry, or other code has been loaded here since */
    }
    const access_t *access = &memory->points[index].access;
    uint32_t mask = 0;
    for (uint32_t i = 0; i < access->address.terms; i++) {
        mask |= 1U << access->address.places[i];
    }
    read_registers(memory, mask, registers);
    access_data(memory, access, registers);
}

/* 0 if there is no room: usim_memory_forget makes some. */
USIM_EXPORT uint32_t usim_memory_set_point(memory_t *memory, uint32_t block, uint32_t instruction,
                                           const access_t *access) {
    const uint32_t index = point_index(memory, block, instruction);
    if (memory->points[index].key == 0U) {
        if (memory->point_count >= MAX_POINTS) {
            return 0;
        }
        memory->point_count++;
        memory->points[index].key = ((uint64_t)block << 32 | instruction) + 1U;
    }
    memory->points[index].access = *access;
    return 1;
}

/* Drop all points. */
USIM_EXPORT void usim_memory_forget(memory_t *memory) {
    for (uint32_t i = 0; i < POINTS; i++) {
        memory->points[i].key = 0;
    }
    memory->point_count = 0;
}

/* Whether a line of code is there; now it is. */
static uint32_t is_fetched(memory_t *memory, cache_t *cache, uint32_t line) {
    if (cache->enabled != 0U) {
        return access_line(cache, line, 0U) == HIT;
    }
    const uint32_t same = memory->row == line + 1U;
    memory->row = line + 1U;
    return same;
}

/* All of the block, also if the run will end inside of it. */
static void fetch_block(memory_t *memory, uint32_t start, uint32_t size) {
    const range_t *range = find_range(memory, start);
    if (range == NULL || size == 0U) {
        return;
    }
    cache_t *cache = range->art != 0U ? &memory->art : &memory->instruction;
    if (range->art == 0U && (cache->enabled == 0U || range->cached == 0U)) {
        const uint32_t windows = ((start + size - 1U) >> FETCH_SHIFT) - (start >> FETCH_SHIFT) + 1U;
        const uint64_t eighths = (uint64_t)windows * range->uncached_fetch;
        wait_for_bus(memory, (eighths + 4U) / 8U, 0U);
        return;
    }
    const uint32_t last = (start + size - 1U) >> LINE_SHIFT;
    for (uint32_t line = start >> LINE_SHIFT; line <= last; line++) {
        if (is_fetched(memory, cache, line) == 0U) {
            wait_for_bus(memory, range->line_fill, 0U);
        }
    }
}

void usim_enter_block(memory_t *memory, const price_t *block, uint32_t goes_on) {
    if (goes_on != 0U) {
        return;
    }
    memory->block = memory->timer->block_address;
    fetch_block(memory, memory->block, memory->timer->block_size);
    access_block(memory, block->accesses);
}

USIM_EXPORT uint64_t usim_memory_size(void) {
    return sizeof(memory_t);
}

static cache_t *cache_by_number(memory_t *memory, uint32_t which) {
    return which == 0U ? &memory->instruction : which == 1U ? &memory->data : &memory->art;
}

/* 0 instruction, 1 data, 2 ART. */
USIM_EXPORT void usim_cache_configure(memory_t *memory, uint32_t which, uint32_t sets,
                                      uint32_t ways) {
    cache_t *cache = cache_by_number(memory, which);
    cache->sets = sets;
    cache->ways = ways;
}

USIM_EXPORT void usim_cache_enable(memory_t *memory, uint32_t which, uint32_t enabled) {
    cache_by_number(memory, which)->enabled = enabled;
}

USIM_EXPORT void usim_cache_invalidate(memory_t *memory, uint32_t which) {
    cache_t *cache = cache_by_number(memory, which);
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
    cache_t *cache = cache_by_number(memory, which);
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
    return cache_by_number(memory, which)->misses;
}

USIM_EXPORT uint64_t usim_cache_hits(memory_t *memory, uint32_t which) {
    return cache_by_number(memory, which)->hits;
}

USIM_EXPORT void usim_memory_restart(memory_t *memory) {
    memory->bus_free = 0;
    memory->row = 0;
    for (uint32_t which = 0; which < 3U; which++) {
        cache_t *cache = cache_by_number(memory, which);
        cache->hits = cache->misses = cache->writebacks = 0;
        usim_cache_invalidate(memory, which);
    }
}
