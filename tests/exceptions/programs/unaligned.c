/* Accesses that must be aligned, and CCR.UNALIGN_TRP (A3.2.1, B3.2.8). */
#include "conform.h"

ASSEMBLY(load, "ldr r0, [r0]\n bx lr")
ASSEMBLY(load_multiple, "ldm r0, {r2, r3}\n bx lr")
ASSEMBLY(store_multiple, "stm r0, {r2, r3}\n bx lr")
ASSEMBLY(load_double, "ldrd r2, r3, [r0]\n bx lr")
ASSEMBLY(store_double, "strd r2, r3, [r0]\n bx lr")
ASSEMBLY(load_exclusive, "ldrex r2, [r0]\n bx lr")
ASSEMBLY(store_word, "str r1, [r0]\n bx lr")
ASSEMBLY(load_halfword, "ldrh r2, [r0]\n bx lr")

static uint32_t words[8] = {0x03020100U, 0x07060504U, 0x0B0A0908U, 0U, 0U, 0U, 0U, 0U};

int main(void) {
    handle(HARD_FAULT, abandon);
    handle(USAGE_FAULT, abandon);
    SHCSR |= USGFAULTENA;
    const uint32_t odd = (uint32_t)(uintptr_t)words + 1U;
    attempt("unaligned LDM", load_multiple, odd, 0);
    attempt("unaligned STM", store_multiple, odd, 0);
    attempt("unaligned LDRD", load_double, odd + 1U, 0);
    attempt("unaligned STRD", store_double, odd, 0);
    attempt("unaligned LDREX", load_exclusive, odd + 1U, 0);
    attempt("unaligned LDR", load, odd, 0);
    attempt("unaligned STR", store_word, odd, 0x55AA1234U);
    show("  stored", words[0]);
    CCR |= UNALIGN_TRP;
    settle();
    attempt("unaligned LDR, trapped", load, odd, 0);
    attempt("unaligned LDRH, trapped", load_halfword, odd, 0);
    attempt("unaligned STR, trapped", store_word, odd, 0xFFFFFFFFU);
    attempt("aligned LDRH", load_halfword, odd + 1U, 0);
    CCR &= ~UNALIGN_TRP;
    settle();
    show("  stored", words[0]);
    show("  stored", words[1]);
    return 0;
}
