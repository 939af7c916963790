/* SVC, PendSV and the registers that tell of them: ICSR and SHCSR (B3.2.4, B3.2.13). */
#include "conform.h"

static void tell(const char *where) {
    const uint32_t icsr = ICSR;
    say(where);
    show("    IPSR", get_ipsr());
    show("    VECTACTIVE", icsr & VECTACTIVE);
    if (get_ipsr() != 0U) {
        show("    RETTOBASE", icsr & RETTOBASE); /* unknown in thread mode */
    }
    show("    VECTPENDING", (icsr & VECTPENDING) >> 12);
    show("    PENDSVSET, PENDSTSET", icsr & (PENDSVSET | PENDSTSET));
    show("    SHCSR", SHCSR);
}

static void pendsv(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    tell("  PendSV");
    show("    EXC_RETURN", exc_return);
}

static void svc(struct frame *frame, uint32_t exc_return) {
    tell("  SVC");
    show("    EXC_RETURN", exc_return);
    if ((HALFWORD(frame->pc - 2U) & 0xFF00U) != 0xDF00U) {
        return; /* pended without the instruction */
    }
    const uint32_t number = HALFWORD(frame->pc - 2U) & 0xFFU;
    show("    number", number);
    if (number == 7U) {
        show("    stacked r0", frame->r0);
        frame->r0 += 1U;
        ICSR = PENDSVSET;
        settle();
        tell("  SVC, after pending PendSV");
    }
    if (number == 8U) {
        ICSR = PENDSVSET;
        settle();
        ICSR = PENDSVCLR;
        settle();
        tell("  SVC, after clearing PendSV");
    }
}

static void interrupt(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    show("  interrupt: EXC_RETURN", exc_return);
    tell("  interrupt");
    if (get_ipsr() == EXTERNAL + 1U) {
        supervisor_call(1);
        tell("  interrupt, after SVC");
    }
}

static uint32_t call(uint32_t argument) {
    register uint32_t r0 __asm("r0") = argument;
    __asm volatile("svc 7" : "+r"(r0)::"memory");
    return r0;
}

int main(void) {
    handle(SVCALL, svc);
    handle(PENDSV, pendsv);
    handle(EXTERNAL + 1U, interrupt);
    handle(EXTERNAL + 2U, interrupt);
    set_priority(SVCALL, 0x40U);
    set_priority(PENDSV, 0xF0U);
    set_priority(EXTERNAL + 1U, 0x80U);
    set_priority(EXTERNAL + 2U, 0x20U);
    enable(1);
    enable(2);

    tell("thread");
    say("a call with a result; PendSV is taken behind it");
    show("  returned", call(0x1234U));
    supervisor_call(8);
    say("PendSV pended and cleared under PRIMASK");
    set_primask(1);
    ICSR = PENDSVSET;
    settle();
    tell("  pending");
    ICSR = PENDSVCLR;
    settle();
    tell("  cleared");
    ICSR = PENDSVSET | PENDSTSET;
    pend(1U << 2);
    tell("  the most urgent is VECTPENDING, masked or not");
    ICSR = PENDSTCLR;
    set_primask(0);
    settle();
    say("nested: SVC in an interrupt");
    pend(1U << 1);
    say("preempted by a write to SHCSR.SVCALLPENDED");
    SHCSR |= 1U << 15;
    settle();
    tell("thread");
    return 0;
}
