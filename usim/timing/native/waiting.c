/*
 * waiting.c - finds places where a core may go round in a loop, and tells the model's states apart.
 */
#include "waiting.h"
#include "memory.h"

#define PLACE_NONE 1U /* no address of an instruction */
#define FIRST_CHOICE 64U
#define LAST_CHOICE 65536U
#define PATIENCE 20U /* rounds; the branch predictor remembers 16 outcomes */

static refusal_t *refusal_of(waiting_t *waiting, uint32_t place) {
    return &waiting->refusals[((place >> 1) ^ (place >> 7)) & (REFUSALS - 1U)];
}

static uint32_t value_of(const waiting_t *waiting, const counter_t *counter, uint32_t i) {
    uint32_t value = 0;
    counter->reg_read(counter->engine, (int)waiting->register_ids[i], &value);
    return value;
}

/* What differed last time most likely does again: a loop's counter, say. */
static uint32_t has_same_registers(waiting_t *waiting, const counter_t *counter) {
    for (uint32_t n = 0; n < COMPARED; n++) {
        const uint32_t i = (waiting->likely_other + n) % COMPARED;
        if (value_of(waiting, counter, i) != waiting->registers[i]) {
            waiting->likely_other = i;
            return 0;
        }
    }
    return 1;
}

static void choose(waiting_t *waiting, const counter_t *counter, uint32_t start) {
    const refusal_t *refusal = refusal_of(waiting, start);
    if (refusal->place == start && counter->instructions < refusal->until) {
        return;
    }
    waiting->place = start;
    waiting->rounds = 0;
    for (uint32_t i = 0; i < COMPARED; i++) {
        waiting->registers[i] = value_of(waiting, counter, i);
    }
    waiting->next_choice = waiting->blocks + (waiting->blocks < FIRST_CHOICE  ? FIRST_CHOICE
                                              : waiting->blocks < LAST_CHOICE ? waiting->blocks
                                                                              : LAST_CHOICE);
}

uint32_t usim_is_waiting(waiting_t *waiting, const counter_t *counter, uint32_t start) {
    if (start == waiting->place) {
        if (waiting->is_passing != 0U) {
            waiting->is_passing = 0;
        } else if (has_same_registers(waiting, counter) == 0U) {
            waiting->rounds = 0;
        } else if (++waiting->rounds > PATIENCE) {
            waiting->is_passing = 1;
            return 1;
        }
    }
    if (++waiting->blocks >= waiting->next_choice) {
        choose(waiting, counter, start);
    }
    return 0;
}

USIM_EXPORT uint64_t usim_waiting_size(void) {
    return sizeof(waiting_t);
}

/* Something else has happened: begin anew. */
USIM_EXPORT void usim_waiting_forget(waiting_t *waiting) {
    waiting->place = PLACE_NONE;
    waiting->is_passing = 0;
    waiting->blocks = 0;
    waiting->next_choice = FIRST_CHOICE;
}

/* Choose the next block as the place. */
USIM_EXPORT void usim_waiting_hurry(waiting_t *waiting) {
    waiting->next_choice = waiting->blocks + 1U;
}

/* Leave the present place alone until so many instructions have been executed. */
USIM_EXPORT void usim_waiting_refuse(waiting_t *waiting, uint64_t until) {
    *refusal_of(waiting, waiting->place) = (refusal_t){.place = waiting->place, .until = until};
    waiting->place = PLACE_NONE;
    waiting->is_passing = 0;
}

/* The state of the timing model, in 64 bits. */

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;
    return hash ^ hash >> 29;
}

static uint64_t mix_words(uint64_t hash, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i + 8U <= size; i += 8U) {
        uint64_t word;
        __builtin_memcpy(&word, bytes + i, sizeof word);
        hash = mix(hash, word);
    }
    return hash;
}

/* How many lines of the set were used before this one. */
static uint32_t rank_in_set(const cache_t *cache, uint32_t line) {
    const uint32_t first = line - line % cache->ways;
    uint32_t rank = 0;
    for (uint32_t i = first; i < first + cache->ways; i++) {
        rank += cache->order[i] < cache->order[line];
    }
    return rank;
}

static uint64_t mix_cache(uint64_t hash, const cache_t *cache) {
    hash = mix(hash, (uint64_t)cache->turn << 1 | cache->enabled);
    for (uint32_t i = 0; i < cache->sets * cache->ways; i++) {
        if (cache->tags[i] != 0U) {
            hash = mix(hash, (uint64_t)cache->tags[i] << 32 | rank_in_set(cache, i) << 1 |
                                 cache->dirty[i]);
        } else {
            hash = mix(hash, 0);
        }
    }
    return hash;
}

/* What of a time to come is left. */
static uint64_t left_of(uint64_t end, uint64_t now) {
    return end > now ? end - now : 0U;
}

static uint64_t mix_memory(uint64_t hash, const memory_t *memory, uint64_t now) {
    hash = mix(hash, left_of(memory->bus_free, now));
    hash = mix(hash, (uint64_t)memory->prefetched << 1 | memory->prefetches);
    hash = mix(hash, left_of(memory->prefetch_end, now));
    hash = mix(hash, (uint64_t)memory->stream.line << 32 | memory->stream.bytes);
    hash = mix(hash, (uint64_t)memory->stream.whole_lines << 1 | (memory->stream.fill_end != 0U));
    hash = mix(hash, left_of(memory->stream.fill_end, now));
    hash = mix_cache(hash, &memory->instruction);
    hash = mix_cache(hash, &memory->data);
    hash = mix_cache(hash, &memory->line_buffers);
    return mix_cache(hash, &memory->art);
}

/*
 * A hash of all that the cycles of code to come depend on, before a block: two states that have the
 * same are taken to be the same one.
 */
USIM_EXPORT uint64_t usim_timing_state(const timer_t *timer) {
    uint64_t hash = mix(timer->state, timer->history);
    hash = mix(hash, timer->previous != NULL ? timer->previous->key : 0);
    hash = mix(hash, (uint64_t)timer->block_address << 32 | timer->block_size);
    hash = mix(hash, timer->paused_at);
    hash = mix_words(hash, timer->predictor, sizeof timer->predictor);
    hash = mix_words(hash, timer->patterns, sizeof timer->patterns);
    hash = mix_words(hash, (const uint8_t *)timer->targets, sizeof timer->targets);
    return timer->memory != NULL ? mix_memory(hash, timer->memory, timer->cycles) : hash;
}

static void put_off(uint64_t *end, uint64_t now, uint64_t cycles) {
    if (*end > now) {
        *end += cycles;
    }
}

/* Code that takes so long, and leaves the model's state as it is, need not be executed. */
USIM_EXPORT void usim_timer_skip(timer_t *timer, uint64_t cycles) {
    memory_t *memory = timer->memory;
    if (memory != NULL) {
        put_off(&memory->bus_free, timer->cycles, cycles);
        put_off(&memory->prefetch_end, timer->cycles, cycles);
        put_off(&memory->stream.fill_end, timer->cycles, cycles);
    }
    timer->cycles += cycles;
}
