/*
 * caches.c - the level-1 caches are on while a batch runs, and clean and off when the host looks: a
 * debug port sees memory, not the D-cache.
 * Armv7-M Architecture Reference Manual (DDI 0403E.e), B2.2 and B3.2; sequences of B2.2.7.
 */
#include "registers.h"
#include "runtime.h"

static void barrier(void) {
    __asm volatile("dsb\n isb" ::: "memory");
}

/* Write `set and way` of every line of the D-cache to one of the maintenance registers. */
static void for_each_line(volatile uint32_t *maintenance) {
    SCB_CSSELR = 0U; /* level 1, data */
    barrier();
    const uint32_t geometry = SCB_CCSIDR;
    const uint32_t last_set = (geometry >> 13) & 0x7FFFU;
    const uint32_t last_way = (geometry >> 3) & 0x3FFU;
    if (last_way == 0U) {
        return; /* no cache to speak of: the way field would have no width */
    }
    const uint32_t way_shift = (uint32_t)__builtin_clz(last_way);
    for (uint32_t set = 0; set <= last_set; set++) {
        for (uint32_t way = 0; way <= last_way; way++) {
            *maintenance = (set << 5) | (way << way_shift);
        }
    }
    barrier();
}

void usim_caches_on(void) {
    if ((usim_config.flags & USIM_CONFIG_CACHES) == 0U) {
        return;
    }
    SCB_ICIALLU = 0U;
    for_each_line(&SCB_DCISW);
    SCB_CCR |= SCB_CCR_IC | SCB_CCR_DC;
    barrier();
}

void usim_caches_off(void) {
    if ((SCB_CCR & SCB_CCR_DC) == 0U) {
        return;
    }
    barrier();
    for_each_line(&SCB_DCCISW);
    SCB_CCR &= ~(SCB_CCR_IC | SCB_CCR_DC);
    barrier();
}
