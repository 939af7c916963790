/* cycles.h - the core's cycle counter, and code that waits for no memory. */
#ifndef CYCLES_H
#define CYCLES_H

#include "stm32f746.h"

/* A function that is copied to the ITCM. */
#define IN_ITCM __attribute__((section(".itcm"), noinline))

static inline void start_cycle_counter(void) {
    DCB_DEMCR |= DEMCR_TRCENA;
    DWT_LAR = 0xC5ACCE55U;
    DWT_CYCCNT = 0U;
    DWT_CTRL |= 1U;
}

#endif
