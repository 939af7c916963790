/* caches.c - the core's caches, as CMSIS' functions switch and maintain them. */
#include "caches.h"

#include "stm32f746.h"

static void finish_memory_accesses(void) {
    __asm volatile("dsb\n isb" ::: "memory");
}

void caches_invalidate_code(void) {
    finish_memory_accesses();
    SCB_ICIALLU = 0U;
    finish_memory_accesses();
}

void caches_invalidate_data(void) {
    SCB_CSSELR = 0U; /* the data cache */
    finish_memory_accesses();
    const uint32_t sets = (SCB_CCSIDR >> 13) & 0x7FFFU;
    const uint32_t ways = (SCB_CCSIDR >> 3) & 0x3FFU;
    for (uint32_t set = 0; set <= sets; set++) {
        for (uint32_t way = 0; way <= ways; way++) {
            SCB_DCISW = (way << 30) | (set << 5); /* four ways */
        }
    }
    finish_memory_accesses();
}

/* Caches have to be invalidated before they are switched on (B2.2.8). */
void caches_enable(uint32_t which) {
    SCB_CCR &= ~(CCR_IC | CCR_DC);
    caches_invalidate_code();
    caches_invalidate_data();
    SCB_CCR |= which;
    finish_memory_accesses();
}
