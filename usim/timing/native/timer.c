/*
 * timer.c - adds up cycles, one block at a time.
 *
 * The pipeline model (usim/timing/pipeline.py) is a function from (state, code) to (cycles, next
 * state). It is evaluated once for each state in which a block is entered, and its answer kept
 * here; from then on a block costs a table look-up. Branches are predicted here, because that
 * depends on what ran before, and the call tree is kept, for profiles.
 */
#include "memory.h"

static uint32_t predictor_index(uint32_t address) {
    return (address >> 1) & (PREDICTOR_SIZE - 1U);
}

static void count_outcome(uint8_t *counter, uint32_t taken) {
    if (taken != 0U && *counter < 3U) {
        (*counter)++;
    } else if (taken == 0U && *counter > 0U) {
        (*counter)--;
    }
}

/*
 * Two-bit counters: one for each pattern of a branch and the outcomes before it, so that the end of
 * a loop of few iterations is learnt, and one for each branch, for patterns that are new. The first
 * time, backward branches are taken to be taken. (On a chip, warm loops of 9 and 13 iterations end
 * without a misprediction: docs/timing.md.)
 */
static uint32_t predict_conditional(timer_t *timer, const price_t *block, uint32_t end,
                                    uint32_t taken) {
    uint8_t *branch = &timer->predictor[predictor_index(end)];
    const uint32_t mixed = (end >> 1) ^ (timer->history * 2654435761U >> 16);
    uint8_t *pattern = &timer->patterns[mixed & (PATTERNS - 1U)];
    if (*branch == PREDICT_UNKNOWN) {
        *branch = block->backward != 0U ? 2U : 1U;
    }
    const uint32_t predicted = (*pattern != PREDICT_UNKNOWN ? *pattern : *branch) >= 2U;
    if (*pattern == PREDICT_UNKNOWN) {
        *pattern = taken != 0U ? 2U : 1U;
    } else {
        count_outcome(pattern, taken);
    }
    count_outcome(branch, taken);
    timer->history = (timer->history << 1 | taken) & ((1U << HISTORY_BITS) - 1U);
    return predicted == taken;
}

static uint32_t predict_indirect(timer_t *timer, uint32_t end, uint32_t target) {
    uint32_t *last = &timer->targets[predictor_index(end)];
    const uint32_t right = *last == target;
    *last = target;
    return right;
}

static uint32_t child_of(timer_t *timer, uint32_t parent, uint32_t function) {
    uint32_t *link = &timer->nodes[parent].first_child;
    while (*link != 0U) {
        if (timer->nodes[*link].function == function) {
            return *link;
        }
        link = &timer->nodes[*link].next_sibling;
    }
    if (timer->node_count >= MAX_NODES) {
        return parent;
    }
    const uint32_t created = timer->node_count++;
    *link = created;
    timer->nodes[created] = (node_t){.parent = parent, .function = function};
    return created;
}

static void enter_call(timer_t *timer, uint32_t return_address, uint32_t function) {
    if (timer->depth >= MAX_DEPTH) {
        return;
    }
    timer->frames[timer->depth++] = (frame_t){return_address, timer->node};
    timer->node = child_of(timer, timer->node, function);
    timer->nodes[timer->node].calls++;
}

/* Leave every call up to the one that returns to `address`; 0 if none does. */
static uint32_t leave_call(timer_t *timer, uint32_t address) {
    for (uint32_t depth = timer->depth; depth > 0U; depth--) {
        if (timer->frames[depth - 1U].return_address == address) {
            timer->depth = depth - 1U;
            timer->node = timer->frames[depth - 1U].node;
            return 1U;
        }
    }
    return 0U;
}

/* Whatever led here, the node is that of the function which now runs: tail calls, code that runs on
 * into the next function, and exceptions take the place of what was there. */
static void follow_function(timer_t *timer, uint32_t function, uint32_t start) {
    const node_t *node = &timer->nodes[timer->node];
    if (function == 0U || node->function == function) {
        return;
    }
    timer->node = child_of(timer, node->parent, function);
    timer->nodes[timer->node].calls += start == function;
}

/* How the previous block's last branch went, now that its successor is known. */
static void resolve_branch(timer_t *timer, uint32_t start) {
    price_t *block = timer->previous;
    const uint32_t end = timer->block_address + timer->block_size;
    const uint32_t taken = block->branch == BRANCH_NONE ? 0U : start != end;
    uint32_t right = 1U;
    const uint32_t node = timer->node;
    switch (block->branch) {
    case BRANCH_CONDITIONAL:
        right = predict_conditional(timer, block, end, taken);
        break;
    case BRANCH_CALL:
        enter_call(timer, end, start);
        break;
    case BRANCH_INDIRECT_CALL:
        right = predict_indirect(timer, end, start);
        enter_call(timer, end, start);
        break;
    case BRANCH_RETURN:
        (void)leave_call(timer, start);
        break;
    case BRANCH_INDIRECT:
        right = predict_indirect(timer, end, start);
        (void)leave_call(timer, start);
        break;
    default:
        break;
    }
    timer->state = block->next_state[taken];
    if (right == 0U) {
        timer->cycles += block->mispredict;
        timer->nodes[node].cycles += (uint64_t)block->mispredict - block->in_flight;
        timer->state = timer->after_mispredict;
        block->mispredicts++;
    }
}

/* The row with this key, or an empty one: there always is one, see find_price. */
static price_t *row_of(timer_t *timer, uint64_t key) {
    uint32_t index = (uint32_t)((key * 0x9E3779B97F4A7C15ULL) >> 46) & (PRICES - 1U);
    while (timer->prices[index].key != 0U && timer->prices[index].key != key) {
        index = (index + 1U) & (PRICES - 1U);
    }
    return &timer->prices[index];
}

static price_t *find_price(timer_t *timer, uint32_t start, uint32_t size) {
    const uint64_t key = (uint64_t)start | (uint64_t)(size & 0x1FFFU) << 32 |
                         (uint64_t)(timer->state & 0x3FFFFU) << 45 | 1ULL << 63;
    price_t *price = row_of(timer, key);
    if (price->key == key) {
        return price;
    }
    if (timer->price_count >= timer->max_prices) {
        timer->make_room();
        price = row_of(timer, key);
    }
    timer->price(timer->state, start, size, price);
    price->key = key;
    timer->price_count++;
    return price;
}

void usim_time_block(timer_t *timer, uint32_t start, uint32_t size, uint32_t instructions) {
    if (timer->previous != NULL) {
        resolve_branch(timer, start);
        timer->previous = NULL;
    }
    price_t *price = find_price(timer, start, size);
    timer->previous = price;
    timer->block_address = start;
    timer->block_size = size;
    timer->block_state = timer->state;
    timer->cycles += price->cycles;
    price->executions++;
    follow_function(timer, price->function, start);
    timer->nodes[timer->node].cycles += price->own_cycles;
    timer->nodes[timer->node].instructions += instructions;
    if (timer->memory != NULL) {
        usim_enter_block(timer->memory, price, timer->paused_at == start + 1U);
    }
    timer->paused_at = 0;
}

void usim_pause_timer(timer_t *timer, uint32_t pc) {
    timer->paused_at = pc + 1U;
}

USIM_EXPORT uint64_t usim_timer_size(void) {
    return sizeof(timer_t);
}

USIM_EXPORT uint64_t usim_timer_prices_offset(void) {
    return offsetof(timer_t, prices);
}

USIM_EXPORT uint64_t usim_timer_nodes_offset(void) {
    return offsetof(timer_t, nodes);
}

/* Forget what was executed: predictions, call tree, counts of executions. Prices stay. */
USIM_EXPORT void usim_timer_restart(timer_t *timer) {
    for (uint32_t i = 0; i < PREDICTOR_SIZE; i++) {
        timer->predictor[i] = PREDICT_UNKNOWN;
        timer->targets[i] = 0;
    }
    for (uint32_t i = 0; i < PATTERNS; i++) {
        timer->patterns[i] = PREDICT_UNKNOWN;
    }
    timer->history = 0;
    for (uint32_t i = 0; i < PRICES; i++) {
        timer->prices[i].executions = 0;
        timer->prices[i].mispredicts = 0;
        timer->prices[i].stall_cycles = 0;
    }
    timer->nodes[0] = (node_t){0};
    timer->node_count = 1;
    timer->node = 0;
    timer->depth = 0;
    timer->previous = NULL;
    timer->paused_at = 0;
    timer->state = NEUTRAL_STATE;
}

/* Drop all prices. The pipeline's state stays: that behind the block before, as if it went straight
 * on. */
USIM_EXPORT void usim_timer_forget(timer_t *timer) {
    if (timer->previous != NULL) {
        timer->state = timer->previous->next_state[0];
    }
    for (uint32_t i = 0; i < PRICES; i++) {
        timer->prices[i] = (price_t){0};
    }
    timer->price_count = 0;
    timer->previous = NULL;
}
