/*
 * workspace.c - scratch memory for the task that runs: first fit over the platform's pools,
 * neighbours merged on free, the peak kept. Each pool is tiled by blocks: header, then payload.
 */
#include "runtime.h"

#define ALIGNMENT 8U
#define USED 1U /* sizes are multiples of 8, so bit 0 of one is free for this */

typedef struct {
    uint32_t size_and_used; /* of the whole block, header included */
    uint32_t check;         /* ~size_and_used: tells a header from a payload */
} header_t;

static uint32_t in_use;
static uint32_t peak;

static uint32_t block_size(const header_t *block) {
    return block->size_and_used & ~USED;
}

static void set_header(header_t *block, uint32_t size, uint32_t used) {
    block->size_and_used = size | used;
    block->check = ~block->size_and_used;
}

static header_t *next_block(header_t *block) {
    return (header_t *)((uintptr_t)block + block_size(block));
}

static header_t *pool_start(uint32_t pool) {
    return (header_t *)((usim_config.pools[pool].base + ALIGNMENT - 1U) & ~(ALIGNMENT - 1U));
}

static header_t *pool_end(uint32_t pool) {
    const uint32_t end = usim_config.pools[pool].base + usim_config.pools[pool].size_bytes;
    return (header_t *)(end & ~(ALIGNMENT - 1U));
}

void usim_workspace_reset(void) {
    for (uint32_t pool = 0; pool < usim_config.pool_count; pool++) {
        header_t *start = pool_start(pool);
        set_header(start, (uint32_t)((uintptr_t)pool_end(pool) - (uintptr_t)start), 0U);
    }
    in_use = 0;
}

uint32_t usim_workspace_peak(void) {
    return peak;
}

/* Split `block` so that it has `size` bytes; what is left becomes a free block. */
static void take(header_t *block, uint32_t size) {
    const uint32_t left = block_size(block) - size;
    if (left > sizeof(header_t)) {
        set_header((header_t *)((uintptr_t)block + size), left, 0U);
        set_header(block, size, USED);
    } else {
        set_header(block, block_size(block), USED);
    }
    in_use += block_size(block);
    if (in_use > peak) {
        peak = in_use;
    }
}

void *usim_runtime_workspace_alloc(uint32_t size_bytes) {
    if (size_bytes > UINT32_MAX - sizeof(header_t) - ALIGNMENT) {
        return NULL;
    }
    const uint32_t size =
        (size_bytes + (uint32_t)sizeof(header_t) + ALIGNMENT - 1U) & ~(ALIGNMENT - 1U);
    for (uint32_t pool = 0; pool < usim_config.pool_count; pool++) {
        header_t *end = pool_end(pool);
        for (header_t *block = pool_start(pool); block < end; block = next_block(block)) {
            if (block->check != ~block->size_and_used) {
                usim_runtime_set_last_error(
                    "workspace corrupted: a block was written past its end");
                return NULL;
            }
            if ((block->size_and_used & USED) == 0U && block_size(block) >= size) {
                take(block, size);
                return block + 1;
            }
        }
    }
    return NULL;
}

/* Merge each run of free blocks in `pool` into one. */
static void merge_free(uint32_t pool) {
    header_t *end = pool_end(pool);
    header_t *block = pool_start(pool);
    while (block < end && block->check == ~block->size_and_used) {
        header_t *next = next_block(block);
        if ((block->size_and_used & USED) == 0U && next < end &&
            next->check == ~next->size_and_used && (next->size_and_used & USED) == 0U) {
            set_header(block, block_size(block) + block_size(next), 0U);
        } else {
            block = next;
        }
    }
}

int32_t usim_runtime_workspace_free(void *pointer) {
    if (pointer == NULL) {
        return 0;
    }
    header_t *wanted = (header_t *)pointer - 1;
    for (uint32_t pool = 0; pool < usim_config.pool_count; pool++) {
        header_t *end = pool_end(pool);
        for (header_t *block = pool_start(pool);
             block < end && block->check == ~block->size_and_used; block = next_block(block)) {
            if (block == wanted && (block->size_and_used & USED) != 0U) {
                in_use -= block_size(block);
                set_header(block, block_size(block), 0U);
                merge_free(pool);
                return 0;
            }
        }
    }
    return -1; /* USIM_ERROR_BAD_POINTER */
}
