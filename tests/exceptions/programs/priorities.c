/* Which exception comes when: priorities, groups, preemption, ties (B1.5.4, B3.2.6). */
#include "conform.h"

static uint32_t pend_in_handler; /* interrupts that the handler of interrupt 0 pends */
static unsigned depth;

static void interrupt(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    const uint32_t number = get_ipsr() - EXTERNAL;
    depth++;
    show("  enter interrupt", number);
    show("    depth", depth);
    show("    active", NVIC_IABR);
    if (number == 0U && pend_in_handler != 0U) {
        pend(pend_in_handler);
        show("    still pending in 0", NVIC_ISPR);
    }
    show("  leave interrupt", number);
    depth--;
}

static void group(uint32_t prigroup) {
    AIRCR = VECTKEY | (prigroup << 8);
    settle();
    show("PRIGROUP", (AIRCR >> 8) & 7U);
}

int main(void) {
    for (unsigned number = 0; number < 8U; number++) {
        handle(EXTERNAL + number, interrupt);
        set_priority(EXTERNAL + number, 0x80U);
    }
    enable(0);
    NVIC_ISER = 0xFEU;

    say("equal priorities: the lowest number first, no preemption");
    pend(0xD0U | 0x2U);
    say("another priority before the number");
    set_priority(EXTERNAL + 7U, 0x20U);
    set_priority(EXTERNAL + 4U, 0x40U);
    pend(0xF2U);

    say("pended in a handler: only what is more urgent preempts it");
    pend_in_handler = 0xF2U;
    pend(0x01U);

    /* Of 0xA0 and 0x80, bits 7 and 6 are the same: one group with PRIGROUP 5, two with 4. */
    say("a more urgent subpriority does not preempt, but goes first");
    set_priority(EXTERNAL + 0U, 0xA0U);
    set_priority(EXTERNAL + 1U, 0xB0U);
    set_priority(EXTERNAL + 2U, 0x80U);
    pend_in_handler = 0x06U;
    group(5);
    pend(0x01U);
    group(4);
    pend(0x01U);
    say("PRIGROUP 7: nothing preempts");
    group(7);
    set_priority(EXTERNAL + 2U, 0x00U);
    pend(0x01U);
    pend_in_handler = 0U;
    pend(0x07U);
    say("PRIGROUP 0 divides nothing here");
    group(0);
    pend_in_handler = 0x06U;
    pend(0x01U);

    say("AIRCR without its key");
    AIRCR = 0x03000000U | (3U << 8);
    show("PRIGROUP", (AIRCR >> 8) & 7U);
    show("VECTKEYSTAT", AIRCR >> 16);

    say("a priority that changes while pending");
    set_priority(EXTERNAL + 0U, 0x40U);
    set_priority(EXTERNAL + 1U, 0x80U);
    set_primask(1);
    pend_in_handler = 0U;
    pend(0x03U);
    set_priority(EXTERNAL + 1U, 0x20U);
    set_primask(0);
    settle();
    return 0;
}
