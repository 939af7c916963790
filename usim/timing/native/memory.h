/*
 * memory.h - the native memory model: caches over slower memories.
 */
#ifndef USIM_MEMORY_H
#define USIM_MEMORY_H

#include "timer.h"

#define MAX_RANGES 8U
#define MAX_LINES 4096U /* of one cache: 128 KiB of 32-byte lines */
#define LINE_SHIFT 5U
#define FIRST_PERIPHERAL 0x40000000U /* memory map of Armv7-M, B3.1 */
#define CACHES 4U
#define SKIP_AFTER 256U /* lines */
#define LINE_BEATS 4U   /* of 64 bits */
#define WHOLE_LINES 3U  /* written before dynamic read allocate mode begins */
#define POINTS 16384U   /* power of 2 */
#define MAX_POINTS (POINTS / 4U * 3U)

/* A memory behind a bus. Cycles are waits beyond those of a tightly coupled memory. */
typedef struct {
    uint32_t base;
    uint32_t end;
    uint32_t cached;         /* through the I- and D-cache */
    uint32_t line_fill;      /* from a miss to the word that was wanted */
    uint32_t uncached_load;  /* a single access */
    uint32_t uncached_store; /* between two stores */
    uint32_t art;            /* reads go through the ART accelerator: line_fill on a miss */
} range_t;

typedef struct {
    uint32_t ways;
    uint32_t sets; /* power of 2 */
    uint32_t enabled;
    uint32_t in_turn; /* which way goes, by `turn`; else the least recently used */
    uint32_t turn;
    uint32_t reserved;
    uint64_t hits;
    uint64_t misses;
    uint64_t writebacks;
    uint32_t tags[MAX_LINES];  /* line address + 1, by set and way; 0: empty */
    uint32_t order[MAX_LINES]; /* when it was last used */
    uint8_t dirty[MAX_LINES];
    uint32_t clock;
} cache_t;

enum lookup { HIT = 0, MISS = 1, MISS_DIRTY = 2 };

/* The line that was stored to last. */
typedef struct {
    uint32_t line; /* plus 1 */
    uint32_t bytes;
    uint32_t whole_lines; /* one after the other */
    uint32_t reserved;
    uint64_t fill_end; /* cycle in which it has come in; 0: it did not have to */
} stream_t;

/* Shared with usim/timing/memory.py (ctypes). */
struct memory {
    timer_t *timer;
    counter_t *counter;
    uint64_t bus_free;  /* cycle in which the bus has finished what it was asked */
    uint32_t writeback; /* cycles to write a dirty line back */
    uint32_t range_count;
    uint32_t prefetches; /* FLASH_ACR.PRFTEN */
    uint32_t prefetched; /* the row of flash that the ART reads ahead, plus 1 */
    uint64_t prefetch_end;
    stream_t stream;
    range_t ranges[MAX_RANGES];
    cache_t instruction;
    cache_t data;
    cache_t art;
    cache_t line_buffers; /* of the fetch unit, for what no cache takes */
    uint32_t block;       /* address of the block that runs, all of it, also after a pause inside */
    uint32_t point_count;
    struct {
        uint64_t key; /* block << 32 | instruction, plus 1 so that 0 means empty */
        access_t access;
    } points[POINTS]; /* accesses that are known only when their instruction runs */
};

/* The region behind a bus that an address is in; NULL: tightly coupled, or no memory. */
const range_t *usim_find_range(const memory_t *memory, uint32_t address);

/* The core stands still. */
void usim_stall(timer_t *timer, uint64_t cycles);

/* The core waits until the bus, which it asks now, has answered after `cycles`. */
void usim_wait_for_bus(memory_t *memory, uint64_t cycles, uint64_t after);

cache_t *usim_cache_by_number(memory_t *memory, uint32_t which);
void usim_cache_invalidate(memory_t *memory, uint32_t which);
uint32_t usim_cache_holds(const cache_t *cache, uint32_t line);

/* Look a line up and bring it in. */
enum lookup usim_cache_look_up(cache_t *cache, uint32_t line, uint32_t is_write);

/* Fetch the instructions of the timer's current block. */
void usim_fetch_block(memory_t *memory, const price_t *block);

/* Fetch the timer's current block, and do the accesses that are known at its entry. Where it only
 * goes on after a pause, both have been done. */
void usim_enter_block(memory_t *memory, const price_t *block, uint32_t goes_on);

#endif
