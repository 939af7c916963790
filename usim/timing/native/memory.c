/*
 * memory.c - what loads and stores wait for: the D-cache, the ART, and buses without a cache.
 *
 * Called for each block, with the accesses whose addresses follow from its entry registers, and for
 * each single access that has to be looked at when it happens. Caches are write-back and
 * write-allocate. A load waits for its line; a store that misses waits only if the bus is still
 * busy with an earlier line. Whole lines that are written one after the other are not brought in.
 */
#include "memory.h"

const range_t *usim_find_range(const memory_t *memory, uint32_t address) {
    for (uint32_t i = 0; i < memory->range_count; i++) {
        if (address >= memory->ranges[i].base && address < memory->ranges[i].end) {
            return &memory->ranges[i];
        }
    }
    return NULL;
}

void usim_stall(timer_t *timer, uint64_t cycles) {
    timer->cycles += cycles;
    timer->stalls += cycles;
    timer->nodes[timer->node].cycles += cycles;
    if (timer->previous != NULL) {
        timer->previous->stall_cycles += cycles;
    }
}

/* The core waits until the bus, which it asks now, has answered after `cycles`. */
void usim_wait_for_bus(memory_t *memory, uint64_t cycles, uint64_t after) {
    timer_t *timer = memory->timer;
    const uint64_t now = timer->cycles;
    const uint64_t begin = memory->bus_free > now ? memory->bus_free : now;
    memory->bus_free = begin + cycles + after;
    usim_stall(timer, begin + cycles - now);
}

/* The bus is asked in the background; the core waits only while it is busy with something else. */
static void post_to_bus(memory_t *memory, uint64_t cycles) {
    timer_t *timer = memory->timer;
    const uint64_t now = timer->cycles;
    if (memory->bus_free > now) {
        usim_stall(timer, memory->bus_free - now);
    }
    memory->bus_free = timer->cycles + cycles;
}

/*
 * Dynamic read allocate mode (TRM 5.9.1): once three lines that missed were each written wholly
 * before they had come in, lines that are written are no longer brought in, until one is left
 * unfinished or read.
 */
static void turn_to_line(stream_t *stream, uint32_t line) {
    const uint32_t was_whole = stream->bytes == 1U << LINE_SHIFT;
    const uint32_t whole_lines = was_whole != 0U ? stream->whole_lines : 0U;
    *stream = (stream_t){.line = line + 1U, .whole_lines = whole_lines};
}

static void note_store(stream_t *stream, uint32_t bytes, uint64_t now) {
    stream->bytes += bytes;
    if (stream->bytes == 1U << LINE_SHIFT && stream->whole_lines < WHOLE_LINES) {
        stream->whole_lines = now <= stream->fill_end ? stream->whole_lines + 1U : 0U;
    }
}

static void store_line(memory_t *memory, const range_t *range, uint32_t line, uint32_t bytes) {
    stream_t *stream = &memory->stream;
    const uint32_t is_first = stream->line != line + 1U;
    if (is_first != 0U) {
        turn_to_line(stream, line);
    }
    if (stream->whole_lines >= WHOLE_LINES && usim_cache_holds(&memory->data, line) == 0U) {
        if (is_first != 0U) {
            post_to_bus(memory, memory->writeback);
        }
    } else {
        const enum lookup result = usim_cache_look_up(&memory->data, line, 1U);
        if (result != HIT) {
            post_to_bus(memory, range->line_fill + (result == MISS_DIRTY ? memory->writeback : 0U));
            stream->fill_end = memory->timer->cycles + range->line_fill + LINE_BEATS;
        }
    }
    note_store(stream, bytes, memory->timer->cycles);
}

static void load_line(memory_t *memory, const range_t *range, uint32_t line) {
    if (memory->stream.line == line + 1U) {
        memory->stream.whole_lines = 0;
    }
    const enum lookup result = usim_cache_look_up(&memory->data, line, 0U);
    if (result != HIT) {
        usim_wait_for_bus(memory, range->line_fill, result == MISS_DIRTY ? memory->writeback : 0U);
    }
}

/* The ART accelerator keeps what is read through it, instructions or data. */
static void load_row(memory_t *memory, const range_t *range, uint32_t row) {
    if (usim_cache_look_up(&memory->art, row, 0U) != HIT) {
        usim_wait_for_bus(memory, range->line_fill, 0U);
    }
}

static void access_uncached(memory_t *memory, const range_t *range, const access_t *access) {
    if (access->is_write != 0U) {
        post_to_bus(memory, (uint64_t)access->transfers * range->uncached_store);
    } else {
        usim_wait_for_bus(memory, (uint64_t)access->transfers * range->uncached_load, 0U);
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
    const range_t *range = usim_find_range(memory, at);
    if (range == NULL) {
        return; /* tightly coupled */
    }
    const uint32_t through_art =
        range->art != 0U && memory->art.enabled != 0U && access->is_write == 0U;
    if (through_art == 0U && (range->cached == 0U || memory->data.enabled == 0U)) {
        access_uncached(memory, range, access);
        return;
    }
    const uint32_t end = at + access->size;
    for (uint32_t line = at >> LINE_SHIFT; line <= (end - 1U) >> LINE_SHIFT; line++) {
        if (through_art != 0U) {
            load_row(memory, range, line);
        } else if (access->is_write == 0U) {
            load_line(memory, range, line);
        } else {
            const uint32_t first = line << LINE_SHIFT;
            const uint32_t next = first + (1U << LINE_SHIFT);
            store_line(memory, range, line, (end < next ? end : next) - (at > first ? at : first));
        }
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
    const counter_t *counter = memory->counter;
    const uint32_t at = (uint32_t)address;
    uint32_t registers[16];
    (void)engine;
    (void)size;
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

void usim_enter_block(memory_t *memory, const price_t *block, uint32_t goes_on) {
    if (goes_on != 0U) {
        return;
    }
    memory->block = memory->timer->block_address;
    usim_fetch_block(memory, block);
    access_block(memory, block->accesses);
}

USIM_EXPORT uint64_t usim_memory_size(void) {
    return sizeof(memory_t);
}

USIM_EXPORT void usim_memory_restart(memory_t *memory) {
    memory->bus_free = 0;
    memory->prefetched = 0;
    memory->stream = (stream_t){0};
    for (uint32_t which = 0; which < CACHES; which++) {
        cache_t *cache = usim_cache_by_number(memory, which);
        cache->turn = 0;
        cache->hits = cache->misses = cache->writebacks = 0;
        usim_cache_invalidate(memory, which);
    }
}
