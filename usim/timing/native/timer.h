/*
 * timer.h - state of the native timer, shared with usim/timing/timer.py (ctypes).
 */
#ifndef USIM_TIMER_H
#define USIM_TIMER_H

#include "counter.h"

#define PRICES 262144U /* power of 2 */
#define PREDICTOR_SIZE 4096U
#define PATTERNS 65536U /* of branch and history; HISTORY_BITS outcomes are remembered */
#define HISTORY_BITS 16U
#define MAX_NODES 65536U
#define MAX_DEPTH 65536U
#define NEUTRAL_STATE 0U
#define PREDICT_UNKNOWN 0xFFU

enum branch_kind {
    BRANCH_NONE = 0,
    BRANCH_CONDITIONAL = 1,
    BRANCH_DIRECT = 2,
    BRANCH_CALL = 3,
    BRANCH_INDIRECT = 4,
    BRANCH_RETURN = 5,
    BRANCH_INDIRECT_CALL = 6
};

typedef struct memory memory_t;

/* offset + (value[place[i]] << shift[i]): values are registers, then cells, as at a block's entry.
 */
typedef struct {
    uint32_t offset;
    uint8_t terms; /* 0 to 2 */
    uint8_t places[2];
    uint8_t shifts[2];
    uint8_t reserved[3];
} linear_t;

/* Bytes that a block reads or writes. */
typedef struct {
    linear_t address;
    uint16_t size;
    uint8_t is_write;
    uint8_t reserved;
    uint32_t transfers; /* on a bus of 64 bits, if no cache takes it */
} access_t;

enum cell_kind {
    CELL_LOAD = 0, /* of `operand` bytes, negative if signed */
    CELL_OR = 1,
    CELL_AND = 2,
    CELL_XOR = 3,
    CELL_LSR = 4,
    CELL_ASR = 5,
    CELL_NEGATE = 6
};

/* A value at a block's entry that is no linear form. */
typedef struct {
    linear_t source;
    uint32_t operand;
    uint32_t kind;
} cell_t;

#define FIRST_CELL 16U
#define MAX_CELLS 16U

/* What is known at a block's entry. */
typedef struct {
    const cell_t *cells;
    const access_t *accesses;
    uint32_t cell_count;
    uint32_t access_count;
    uint32_t registers; /* bit mask of those that are needed */
    uint32_t reserved;
} access_list_t;

/* A block's price in a state: a row of the memoised pipeline model. */
typedef struct {
    uint64_t key; /* address | size << 32 | state << 45, plus 1 << 63 so that 0 means empty */
    uint32_t cycles;
    uint32_t instructions;
    uint32_t next_state[2]; /* if its last branch falls through, if it jumps */
    uint8_t branch;         /* enum branch_kind, of the last instruction */
    uint8_t backward;       /* a conditional branch to a lower address */
    uint8_t mispredict;     /* cycles if that branch is mispredicted */
    uint8_t in_flight;      /* 1: the cycle of its last instruction is part of the next price */
    uint32_t mispredicts;
    uint32_t function;   /* where the function starts that it is part of; 0: unknown */
    uint32_t own_cycles; /* `cycles` without the previous block's in_flight, with its own */
    uint64_t executions;
    uint64_t stall_cycles; /* waiting for memory, on top of `cycles` */
    const access_list_t *accesses;
} price_t;

/* A place in the call tree. */
typedef struct {
    uint32_t parent;
    uint32_t function; /* address that was called */
    uint32_t first_child;
    uint32_t next_sibling;
    uint64_t calls;
    uint64_t cycles; /* of itself, without its children */
    uint64_t instructions;
} node_t;

typedef struct {
    uint32_t return_address;
    uint32_t node;
} frame_t;

struct timer {
    uint64_t cycles; /* the whole of the current block included */
    uint64_t stalls; /* of `cycles`: waiting for memory behind a cache */
    void (*price)(uint32_t state, uint32_t address, uint32_t size, price_t *result);
    price_t *previous; /* the block before; NULL: `state` holds as it is */
    memory_t *memory;  /* NULL: every access is a hit */
    uint32_t state;
    uint32_t after_mispredict; /* the state with nothing fetched and nothing pending */
    uint32_t block_address;
    uint32_t block_size;
    uint32_t block_state;
    uint32_t price_count;
    uint32_t node_count;
    uint32_t node;
    uint32_t depth;
    uint32_t max_prices;
    uint32_t paused_at; /* pc + 1 where a run ended inside a block, 0: it did not */
    void (*make_room)(
        void);        /* called when all of max_prices are taken: ends in usim_timer_forget */
    uint32_t history; /* outcomes of the last conditional branches, the newest in bit 0 */
    uint8_t predictor[PREDICTOR_SIZE];
    uint8_t patterns[PATTERNS];
    uint32_t targets[PREDICTOR_SIZE];
    frame_t frames[MAX_DEPTH];
    node_t nodes[MAX_NODES];
    price_t prices[PRICES];
};

#endif
