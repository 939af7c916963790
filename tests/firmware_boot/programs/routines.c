/* routines.c - code whose rows of flash, fetches and loads can be counted by hand. */
#include "routines.h"

#define UNUSED __attribute__((unused))
/* 16-bit instructions, 16 a row; the last one of `straight` is the return. */
#define STRAIGHT ".rept 511\n nop\n .endr\n bx lr"
_Static_assert(STRAIGHT_ROWS * 16 == 511 + 1, "STRAIGHT has so many rows");
_Static_assert(LOOP_ROWS == 16 && LOOP_TIMES == 10, "as in `loop`");

__attribute__((naked, noinline, aligned(32))) void straight(UNUSED const uint32_t *words) {
    __asm volatile(STRAIGHT);
}

__attribute__((naked, noinline, aligned(32), section(".itcm"))) void
straight_in_itcm(UNUSED const uint32_t *words) {
    __asm volatile(STRAIGHT);
}

__attribute__((naked, noinline, aligned(32))) void loop(UNUSED const uint32_t *words) {
    __asm volatile("mov.w r1, #10\n"
                   ".rept 14\n nop\n .endr\n"
                   "1:\n"
                   ".rept 253\n nop\n .endr\n"
                   "subs r1, #1\n"
                   "bne.w 1b\n"
                   "bx lr");
}

__attribute__((naked, noinline, aligned(32), section(".itcm"))) void
read_words(UNUSED const uint32_t *words) {
    __asm volatile("mov.w r1, #512\n"
                   "1: ldr r2, [r0], #4\n"
                   "subs r1, #1\n"
                   "bne 1b\n"
                   "bx lr");
}

routine on_itcm_bus(routine code) {
    return (routine)((uintptr_t)code - FLASH_AXI + FLASH_ITCM);
}

IN_ITCM uint32_t cycles_of(routine code, const uint32_t *words) {
    const uint32_t begin = DWT_CYCCNT;
    code(words);
    return DWT_CYCCNT - begin;
}
