/* Each kind of fault that the MPU has no part in: which exception, which status, which address
 * (B1.5.14). */
#include "conform.h"

#define NOWHERE 0x30000000U /* no memory on the chips here */

ASSEMBLY(load, "ldr r0, [r0]\n bx lr")
ASSEMBLY(load_byte, "nop\n ldrb r0, [r0, #1]\n bx lr")
ASSEMBLY(store, "str r1, [r0]\n dsb\n bx lr")
ASSEMBLY(jump, "bx r0")
ASSEMBLY(undefined, "nop\n udf #1\n bx lr")
ASSEMBLY(undefined_wide, "udf.w #1\n bx lr")
ASSEMBLY(load_in_it_block, "cmp r0, r0\n itt eq\n moveq r0, #1\n ldreq r0, [r1]\n bx lr")
ASSEMBLY(skipped_in_it_block, "cmp r0, r0\n itt ne\n ldrne r0, [r1]\n ldrne r0, [r1]\n bx lr")
ASSEMBLY(coprocessor, "mcr p1, #0, r0, c0, c0, #0\n bx lr")
ASSEMBLY(divide, "udiv r0, r0, r1\n bx lr")
ASSEMBLY(divide_signed, "sdiv r0, r0, r1\n bx lr")

static void bad_store(struct frame *frame, uint32_t exc_return) {
    (void)exc_return;
    show("  exception", get_ipsr());
    /* A store may be buffered: the fault is then imprecise, B1.5.14. */
    show("  PRECISERR or IMPRECISERR", (CFSR & (PRECISERR | IMPRECISERR)) != 0U);
    show("  other status", CFSR & ~(PRECISERR | IMPRECISERR | BFARVALID));
    CFSR = 0xFFFFFFFFU;
    frame->pc = frame->lr & ~1U;
}

static void without_memory(void) {
    attempt("load from where nothing is", load, NOWHERE, 0);
    show("  BFAR", BFAR);
    attempt("load of a byte", load_byte, NOWHERE + 2U, 0);
    show("  BFAR", BFAR);
    attempt("load from a hole of the system space", load, 0xE0300000U, 0);
    handle(BUS_FAULT, bad_store);
    attempt("store to where nothing is", store, NOWHERE, 0);
    handle(BUS_FAULT, abandon);
    attempt("jump to where nothing is", jump, NOWHERE + 1U, 0);
    attempt("jump to a device", jump, 0x40000001U, 0);
    attempt("jump to the system space", jump, 0xE000E001U, 0);
}

static void usage(void) {
    attempt("jump to an even address", jump, (uint32_t)(uintptr_t)jump & ~1U, 0);
    attempt("undefined instruction", undefined, 0, 0);
    attempt("undefined instruction of 32 bits", undefined_wide, 0, 0);
    attempt("load in an IT block", load_in_it_block, 0, NOWHERE);
    attempt("loads that an IT block leaves out", skipped_in_it_block, 0, NOWHERE);
    attempt("coprocessor that is not there", coprocessor, 0, 0);
    attempt("division by zero, not trapped", divide, 7, 0);
    CCR |= DIV_0_TRP;
    settle();
    attempt("unsigned division by zero", divide, 7, 0);
    attempt("signed division by zero", divide_signed, 7, 0);
    attempt("division by one", divide, 7, 1);
    CCR &= ~DIV_0_TRP;
    settle();
    attempt("not trapped any more", divide_signed, 7, 0);
}

int main(void) {
    handle(HARD_FAULT, abandon);
    handle(MEM_MANAGE, abandon);
    handle(BUS_FAULT, abandon);
    handle(USAGE_FAULT, abandon);
    SHCSR |= MEMFAULTENA | BUSFAULTENA | USGFAULTENA;
    settle();
    show("SHCSR", SHCSR);
    without_memory();
    usage();
    return 0;
}
