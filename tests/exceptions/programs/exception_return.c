/* Returns that are not in order: the checks of EXC_RETURN and of what comes from the stack
 * (B1.5.8). */
#include "conform.h"

static uint32_t svc_returns_with;
static uint32_t fault_returns_with;
static uint32_t xpsr_set, xpsr_clear;
static uint32_t good_xpsr;
static bool deactivates;
static uint32_t usage_faults;

/* The address that SVC returns to is a multiple of 4, as that of A32 code would be. */
ASSEMBLY(call_supervisor, "nop\n svc #0\n bx lr")

static void svc(struct frame *frame, uint32_t exc_return) {
    show("  SVC: EXC_RETURN", exc_return);
    good_xpsr = frame->xpsr;
    frame->xpsr = (frame->xpsr & ~xpsr_clear) | xpsr_set;
    if (deactivates) {
        SHCSR &= ~(1U << 7);
        show("    VECTACTIVE, SVCALLACT cleared", ICSR & VECTACTIVE);
    }
    return_with = svc_returns_with;
}

static void usage_fault(struct frame *frame, uint32_t exc_return) {
    show("  UsageFault: EXC_RETURN", exc_return);
    show("    SHCSR", SHCSR & 0xFFFFU);
    if (++usage_faults > 3U) {
        say("too many faults");
        finish();
    }
    show_fault_status();
    return_with = fault_returns_with;
    if ((exc_return & 0xFU) != 5U) {
        frame->xpsr = good_xpsr; /* else it is on the other stack, and good */
    }
}

static void interrupt(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    show("  interrupt: EXC_RETURN", exc_return);
    call_supervisor(0, 0);
    show("  interrupt goes on, IPSR", get_ipsr());
}

static void leave_by_thread(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    svc_returns_with = 0xFFFFFFF9U;
    xpsr_clear = 0x1FFU;
    call_supervisor(0, 0);
    show("  thread, with an interrupt active: IPSR", get_ipsr());
    show("    VECTACTIVE", ICSR & VECTACTIVE);
    show("    IABR", NVIC_IABR);
    svc_returns_with = 0xFFFFFFF1U;
    xpsr_clear = 0U;
    xpsr_set = EXTERNAL + 1U;
    call_supervisor(0, 0);
    show("  handler again, IPSR", get_ipsr());
    xpsr_set = 0U;
    svc_returns_with = 0U;
}

static void call(const char *what) {
    say(what);
    call_supervisor(0, 0);
    show("  UsageFaults", usage_faults);
    svc_returns_with = fault_returns_with = xpsr_set = xpsr_clear = 0U;
    deactivates = false;
    usage_faults = 0U;
}

int main(void) {
    handle(SVCALL, svc);
    handle(USAGE_FAULT, usage_fault);
    handle(EXTERNAL + 1U, interrupt);
    set_priority(SVCALL, 0x40U);
    set_priority(EXTERNAL + 1U, 0x80U);
    enable(1);
    SHCSR |= USGFAULTENA;

    call("in order");
    svc_returns_with = 0xFFFFFFF5U;
    fault_returns_with = 0xFFFFFFF9U;
    call("no such EXC_RETURN");
    svc_returns_with = 0xFFFFFFF1U;
    fault_returns_with = 0xFFFFFFF9U;
    call("to handler mode, with thread on the stack");
    xpsr_set = EXTERNAL + 2U;
    call("to thread mode, with a handler on the stack");
    deactivates = true;
    call("from an exception that is not active");
    xpsr_clear = 1U << 24;
    call("to a state that is not Thumb");

    say("to thread mode, with an interrupt active");
    svc_returns_with = 0xFFFFFFF9U;
    fault_returns_with = 0xFFFFFFF1U;
    pend(1U << 1);
    show("  UsageFaults", usage_faults);
    say("the same with CCR.NONBASETHRDENA");
    handle(EXTERNAL + 1U, leave_by_thread);
    fault_returns_with = 0U;
    usage_faults = 0U;
    CCR |= NONBASETHRDENA;
    pend(1U << 1);
    show("  UsageFaults", usage_faults);
    return 0;
}
