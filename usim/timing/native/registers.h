/*
 * registers.h - registers that count by themselves, shared with usim/devices/counting_registers.py
 * (ctypes).
 */
#ifndef USIM_REGISTERS_H
#define USIM_REGISTERS_H

#include "timer.h"

#define MAX_COURSES 8U
#define PLACES 256U /* power of 2 */

/* What a register shows while time is in [since, since + lasts): `value`, and
 * (part + (time - since) * step) / scale more, or less. */
typedef struct {
    uint32_t address;
    uint32_t value;
    uint32_t down;
    uint32_t privileged; /* only for code that is */
    uint64_t since;
    uint64_t lasts;
    uint64_t part;
    uint64_t step;
    uint64_t scale;
} course_t;

/* How much of a block's cycles its instruction at `pc` has before itself to come. */
typedef struct {
    uint64_t price; /* the key of the block's price; 0: empty */
    uint32_t pc;
    uint32_t behind;
} place_t;

typedef struct {
    counter_t *counter;
    course_t courses[MAX_COURSES]; /* counter->course_count of them */
    place_t places[PLACES];
} registers_t;

/* Unicorn's callback for a load from registers. */
typedef uint64_t serve_t(void *engine, uint64_t offset, unsigned size, void *user);

/* Registers from `base` on; `serve` answers whatever is not answered here. */
typedef struct {
    registers_t *registers;
    serve_t *serve;
    uint32_t base;
    uint32_t reserved;
} register_space_t;

#endif
