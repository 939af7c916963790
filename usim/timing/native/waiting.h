/*
 * waiting.h - finds loops that wait, shared with usim/timing/waiting.py (ctypes).
 */
#ifndef USIM_WAITING_H
#define USIM_WAITING_H

#include "counter.h"

#define REFUSALS 64U /* power of 2 */
#define COMPARED 16U /* r0-r14 and xPSR */

/* Not to be chosen as a place before so many instructions have been executed. */
typedef struct {
    uint32_t place;
    uint32_t reserved;
    uint64_t until;
} refusal_t;

/*
 * A core that comes to the same block with the same registers may go round in a loop. The place
 * that is watched for this changes after 64, 128, 256 ... blocks, so that one of them lies behind
 * whatever led to the loop, and the loop is shorter than what is left to the next.
 */
struct waiting {
    uint32_t register_ids[COMPARED]; /* Unicorn's numbers */
    uint32_t place;                  /* address of a block; PLACE_NONE */
    uint32_t is_passing;             /* the run ended at the place, and goes on from there */
    uint32_t rounds;                 /* in which they were the same */
    uint32_t likely_other;           /* the register that was another one the last time */
    uint32_t registers[COMPARED];    /* at the place, when it was chosen */
    uint32_t blocks;                 /* since usim_waiting_forget */
    uint32_t next_choice;            /* of `blocks` */
    refusal_t refusals[REFUSALS];
};

/* Whether the block at `start`, which is about to run, finds the registers as they were before. */
uint32_t usim_is_waiting(waiting_t *waiting, const counter_t *counter, uint32_t start);

#endif
