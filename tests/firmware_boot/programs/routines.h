/* routines.h - code whose rows of flash, fetches and loads can be counted by hand. */
#ifndef ROUTINES_H
#define ROUTINES_H

#include <stdint.h>

#include "cycles.h"

typedef void (*routine)(const uint32_t *words);

/* Rows of flash are of 256 bits, as lines of the caches and of the ART are. */
enum { STRAIGHT_ROWS = 32, LOOP_ROWS = 16, LOOP_TIMES = 10, WORDS = 512 };

/* STRAIGHT_ROWS rows, no branch but the return. */
void straight(const uint32_t *words);
/* The same in the ITCM. */
void straight_in_itcm(const uint32_t *words);
/* LOOP_ROWS rows, LOOP_TIMES times, and a row for what is around them. */
void loop(const uint32_t *words);
/* Reads WORDS words; itself in the ITCM. */
void read_words(const uint32_t *words);

/* The same code in flash at the address on the ITCM bus. */
routine on_itcm_bus(routine code);
/* Cycles of a call, which itself waits for nothing. */
uint32_t cycles_of(routine code, const uint32_t *words);

#endif
