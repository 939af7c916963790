/* PRIMASK, BASEPRI, FAULTMASK: what each holds back, and what happens to it (B1.4.3, B1.5.4). */
#include "conform.h"

static void interrupt(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    show("  taken: interrupt", get_ipsr() - EXTERNAL);
    show("    PRIMASK", get_primask());
    show("    BASEPRI", get_basepri());
    show("    FAULTMASK", get_faultmask());
}

static void nmi(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    show("  NMI, IPSR", get_ipsr());
    show("    PRIMASK", get_primask());
    show("    FAULTMASK", get_faultmask());
}

static void set_faultmask_inside(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    set_faultmask(1);
    show("  in interrupt 3, FAULTMASK", get_faultmask());
    pend(1U << 0);
    say("  nothing was taken in between");
}

static void set_primask_inside(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    set_primask(1);
}

static void hard_fault(struct frame *frame, uint32_t exc_return) {
    (void)exc_return;
    show("  HardFault, IPSR", get_ipsr());
    show("    stacked IPSR", frame->xpsr & 0x1FFU);
    show("    PRIMASK", get_primask());
    show("    FAULTMASK", get_faultmask());
    show_fault_status();
}

static void svc(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    say("  SVC");
}

static void base_priority(void) {
    say("BASEPRI 0x80 holds back 0x80 and less urgent");
    set_basepri(0x80U);
    pend(0x07U);
    show("  pending", NVIC_ISPR);
    say("BASEPRI 0xC0");
    set_basepri(0xC0U);
    settle();
    show("  pending", NVIC_ISPR);
    say("BASEPRI_MAX only raises");
    set_basepri_max(0xE0U);
    show("  BASEPRI", get_basepri());
    set_basepri_max(0x40U);
    show("  BASEPRI", get_basepri());
    set_basepri_max(0U);
    show("  BASEPRI", get_basepri());
    show("  read as BASEPRI_MAX", get_basepri_max());
    say("BASEPRI 0 is none");
    set_basepri(0U);
    settle();
    show("  pending", NVIC_ISPR);
    say("BASEPRI counts by group: with PRIGROUP 6, 0xC0 is 0x80");
    AIRCR = VECTKEY | (6U << 8);
    set_basepri(0xC0U);
    pend(0x07U);
    show("  pending", NVIC_ISPR);
    set_basepri(0U);
    AIRCR = VECTKEY;
    settle();
}

int main(void) {
    static const uint8_t priorities[4] = {0x40U, 0x80U, 0xC0U, 0x60U};
    for (unsigned number = 0; number < 4U; number++) {
        handle(EXTERNAL + number, interrupt);
        set_priority(EXTERNAL + number, priorities[number]);
        enable(number);
    }
    handle(NMI, nmi);
    handle(HARD_FAULT, hard_fault);
    handle(SVCALL, svc);
    handle(EXTERNAL + 3U, set_faultmask_inside);

    base_priority();
    say("PRIMASK holds back all of them");
    set_primask(1);
    pend(0x03U);
    show("  pending", NVIC_ISPR);
    say("but not NMI");
    ICSR = NMIPENDSET;
    settle();
    say("a supervisor call then escalates");
    supervisor_call(0);
    say("cpsie i");
    __asm volatile("cpsie i\n isb" ::: "memory");
    show("  pending", NVIC_ISPR);

    say("FAULTMASK in thread mode");
    __asm volatile("cpsid f\n isb" ::: "memory");
    show("  FAULTMASK", get_faultmask());
    pend(0x01U);
    show("  pending", NVIC_ISPR);
    say("NMI comes through, and its return leaves FAULTMASK alone");
    ICSR = NMIPENDSET;
    settle();
    show("  FAULTMASK", get_faultmask());
    say("cpsie f");
    __asm volatile("cpsie f\n isb" ::: "memory");
    show("  FAULTMASK", get_faultmask());

    say("FAULTMASK set by a handler goes with its return");
    pend(1U << 3);
    show("  FAULTMASK", get_faultmask());

    say("PRIMASK set by a handler stays");
    handle(EXTERNAL + 3U, set_primask_inside);
    pend(1U << 3);
    show("  PRIMASK", get_primask());
    pend(1U << 0);
    show("  pending", NVIC_ISPR);
    set_primask(0);
    return 0;
}
