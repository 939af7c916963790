/* VTOR: a table in RAM, an entry that is not Thumb code, a table that can't be read (B1.5.3,
 * B3.2.5). */
#include "conform.h"

static uint32_t table[EXCEPTIONS] __attribute__((aligned(512)));
static volatile uint32_t calls;

__attribute__((naked)) static void other_handler(void) {
    __asm volatile("ldr r0, =calls\n ldr r1, [r0]\n adds r1, #1\n str r1, [r0]\n bx lr\n .ltorg");
}

static void svc(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    say("  SVC by the old table");
}

static void usage_fault(struct frame *frame, uint32_t exc_return) {
    show("  UsageFault: EXC_RETURN", exc_return);
    show("    stacked exception", frame->xpsr & 0x1FFU);
    show("    stacked T", frame->xpsr & (1U << 24));
    show("    pc is the handler", frame->pc == ((uintptr_t)other_handler & ~1U));
    show_fault_status();
    frame->xpsr |= 1U << 24; /* on with the handler as it should be */
}

static void hard_fault(struct frame *frame, uint32_t exc_return) {
    show("  HardFault: EXC_RETURN", exc_return);
    show("    stacked exception", frame->xpsr & 0x1FFU);
    show("    ISPR", NVIC_ISPR);
    show("    IABR", NVIC_IABR);
    show("    CFSR", CFSR);
    show("    HFSR.VECTTBL", HFSR & 2U); /* the manual leaves open whether FORCED is set too */
    HFSR = 0xFFFFFFFFU;
    NVIC_ICER = 1U << 16;
    NVIC_ICPR = 1U << 16;
}

int main(void) {
    handle(SVCALL, svc);
    handle(USAGE_FAULT, usage_fault);
    handle(HARD_FAULT, hard_fault);
    set_priority(SVCALL, 0x80U);
    SHCSR |= USGFAULTENA;
    const uint32_t old = VTOR;
    const uint32_t *const vectors = (const uint32_t *)(uintptr_t)old;
    for (unsigned number = 0; number < EXCEPTIONS; number++) {
        table[number] = vectors[number];
    }
    supervisor_call(0);
    table[SVCALL] = (uint32_t)(uintptr_t)other_handler;
    supervisor_call(0);
    show("calls before VTOR is set", calls);
    VTOR = (uint32_t)(uintptr_t)table;
    settle();
    show("VTOR", VTOR == (uint32_t)(uintptr_t)table);
    supervisor_call(0);
    show("calls", calls);
    say("an entry with bit 0 clear");
    table[SVCALL] &= ~1U;
    settle();
    supervisor_call(0);
    show("calls", calls);

    say("a table whose end lies beyond memory");
    volatile uint32_t *const last = (volatile uint32_t *)((uintptr_t)ram_end - 128U);
    for (unsigned number = 0; number < 32U; number++) {
        last[number] = vectors[number];
    }
    VTOR = (uint32_t)(uintptr_t)last;
    settle();
    enable(16);
    pend(1U << 16);
    show("  ISPR", NVIC_ISPR);
    show("  IABR", NVIC_IABR);
    VTOR = old;
    say("VTOR has no bits 6 to 0");
    VTOR = (uint32_t)(uintptr_t)table | 0x7FU;
    show("  bits", VTOR & 0x7FU);
    VTOR = old;
    settle();
    supervisor_call(0);
    return 0;
}
