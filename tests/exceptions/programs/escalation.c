/* Faults that become HardFaults: disabled, at their own priority, masked, in handlers (B1.5.10). */
#include "conform.h"

#define NOWHERE 0x30000000U
#define SVC_3 0xDF03U

ASSEMBLY(load, "ldr r0, [r0]\n bx lr")
ASSEMBLY(undefined, "udf #0\n bx lr")
ASSEMBLY(jump, "bx r0")

static void (*inside)(void);
static volatile bool calls;

static void svc(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    show("  SVC handler, SHCSR", SHCSR);
    if (inside != NULL) {
        inside();
    }
    say("  SVC handler ends");
}

static void usage_fault(struct frame *frame, uint32_t exc_return) {
    show("  UsageFault, SHCSR", SHCSR & 0xFFFFU);
    if (inside != NULL) {
        void (*const then)(void) = inside;
        inside = NULL;
        then();
    }
    say("  UsageFault handler goes on");
    abandon(frame, exc_return);
}

static void hard_fault(struct frame *frame, uint32_t exc_return) {
    show("  HardFault, SHCSR", SHCSR & 0xFFFFU);
    show("  stacked exception", frame->xpsr & 0x1FFU);
    show("  EXC_RETURN", exc_return);
    if (calls) {
        /* Whether the frame has the pc of the call or of what follows, the manual leaves open. */
        frame->pc += HALFWORD(frame->pc) == SVC_3 ? 2U : 0U;
        calls = false;
        show_fault_status();
        return;
    }
    abandon(frame, exc_return);
}

static void load_inside(void) {
    attempt("  load from where nothing is", load, NOWHERE, 0);
}
static void undefined_inside(void) {
    attempt("  undefined instruction", undefined, 0, 0);
}
static void call_inside(void) {
    calls = true;
    supervisor_call(3);
}

static void disabled(void) {
    attempt("load, BusFault disabled", load, NOWHERE, 0);
    show("  BFAR", BFAR);
    attempt("undefined instruction, UsageFault disabled", undefined, 0, 0);
    attempt("jump to a device, MemManage disabled", jump, 0x40000001U, 0);
}

static void in_handlers(void) {
    say("BusFault in the SVC handler, more urgent: taken");
    set_priority(SVCALL, 0x80U);
    inside = load_inside;
    supervisor_call(0);
    say("in the SVC handler at the same priority: HardFault");
    set_priority(SVCALL, 0x20U);
    supervisor_call(0);
    say("SVC in the SVC handler: HardFault");
    inside = call_inside;
    supervisor_call(0);
    inside = NULL;
    say("BusFault in the UsageFault handler: priority decides");
    set_priority(USAGE_FAULT, 0x40U);
    inside = load_inside;
    attempt("undefined instruction", undefined, 0, 0);
    set_priority(USAGE_FAULT, 0x10U);
    inside = load_inside;
    attempt("undefined instruction", undefined, 0, 0);
    say("UsageFault in the UsageFault handler: HardFault");
    inside = undefined_inside;
    attempt("undefined instruction", undefined, 0, 0);
}

static void masked(void) {
    set_primask(1);
    attempt("undefined instruction with PRIMASK", undefined, 0, 0);
    say("svc with PRIMASK");
    calls = true;
    supervisor_call(3);
    set_primask(0);
    set_basepri(0x20U);
    attempt("load with BASEPRI at BusFault's priority", load, NOWHERE, 0);
    set_basepri(0x30U);
    attempt("load with BASEPRI just below", load, NOWHERE, 0);
    set_basepri(0U);
}

int main(void) {
    handle(HARD_FAULT, hard_fault);
    handle(MEM_MANAGE, abandon);
    handle(BUS_FAULT, abandon);
    handle(USAGE_FAULT, usage_fault);
    handle(SVCALL, svc);
    disabled();
    SHCSR |= MEMFAULTENA | BUSFAULTENA | USGFAULTENA;
    set_priority(BUS_FAULT, 0x20U);
    set_priority(USAGE_FAULT, 0x10U);
    in_handlers();
    masked();
    return 0;
}
