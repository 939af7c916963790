/* FAULTMASK can only be set where the priority is not -1 already (B1.4.3, MSR and CPS). */
#include "conform.h"

static void tell(void) {
    set_faultmask(1);
    show("  MSR, FAULTMASK", get_faultmask());
    __asm volatile("cpsid f\n isb" ::: "memory");
    show("  CPS, FAULTMASK", get_faultmask());
}

static void at_minus_one(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    show("exception", get_ipsr());
    tell();
    HFSR = 0xFFFFFFFFU;
}

static void svc(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    say("SVC");
    tell();
}

int main(void) {
    handle(NMI, at_minus_one);
    handle(HARD_FAULT, at_minus_one);
    handle(SVCALL, svc);
    ICSR = NMIPENDSET;
    settle();
    show("behind NMI", get_faultmask());
    set_primask(1);
    supervisor_call(0);
    set_primask(0);
    show("behind HardFault", get_faultmask());
    supervisor_call(0);
    show("behind SVC", get_faultmask());
    return 0;
}
