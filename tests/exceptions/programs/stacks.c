/* Which stack, which alignment, which EXC_RETURN (B1.5.6 to B1.5.8), and CONTROL (B1.4.4). */
#include "conform.h"

extern uint32_t process_stack[128];

__attribute__((used)) static uint32_t sp_before, sp_after;

static void tell_frame(struct frame *frame, uint32_t exc_return) {
    show("  EXC_RETURN", exc_return);
    show("    r0", frame->r0);
    show("    r3", frame->r3);
    show("    r12", frame->r12);
    show("    xPSR: flags, padding, exception", frame->xpsr & 0xF80003FFU);
    show("    frame is 8-byte aligned", ((uintptr_t)frame & 7U) == 0U);
    show("    CONTROL in the handler", get_control());
}

static void svc(struct frame *frame, uint32_t exc_return) {
    extern char call_from[];
    tell_frame(frame, exc_return);
    show("    pc is behind the svc", frame->pc == (((uintptr_t)call_from + 2U) & ~1U));
    show("    from the stack pointer to the frame", sp_before - (uint32_t)(uintptr_t)frame);
    set_control(get_control() | 2U);
    show("    SPSEL can't be set here", get_control() & 2U);
}

/* Fills registers, moves the stack down by r0 bytes, calls. */
__attribute__((naked, noinline)) static void call(__attribute__((unused)) uint32_t lower_by) {
    __asm volatile("push {r4, r5, r6, lr}\n"
                   "mov r6, sp\n"
                   "sub sp, sp, r0\n"
                   "ldr r4, =sp_before\n"
                   "mov r5, sp\n"
                   "str r5, [r4]\n"
                   "movs r0, #0x10\n"
                   "movs r1, #0x11\n"
                   "movs r2, #0x12\n"
                   "movs r3, #0x13\n"
                   "mov r12, r0\n"
                   "cmp r0, #0x10\n" /* Z and C */
                   ".global call_from\n"
                   "call_from: svc 0\n"
                   "ldr r4, =sp_after\n"
                   "mov r5, sp\n"
                   "str r5, [r4]\n"
                   "mov sp, r6\n"
                   "pop {r4, r5, r6, pc}\n"
                   ".ltorg\n");
}

static void call_with(uint32_t lower_by) {
    call(lower_by);
    show("  stack pointer back where it was", sp_before == sp_after);
}

static void interrupt(struct frame *frame, uint32_t exc_return) {
    if (get_ipsr() == EXTERNAL + 1U) {
        pend(1U << 2);
        return;
    }
    show("  nested: EXC_RETURN", exc_return);
    show("    stacked exception", frame->xpsr & 0x1FFU);
    show("    frame on the main stack", frame > (struct frame *)(void *)&process_stack[128]);
}

static void on_process(void) {
    show("  CONTROL", get_control());
    show("  SP is PSP", get_sp() == get_psp());
    call_with(0);
    call_with(4);
    pend(1U << 1);
}

int main(void) {
    handle(SVCALL, svc);
    handle(EXTERNAL + 1U, interrupt);
    handle(EXTERNAL + 2U, interrupt);
    set_priority(SVCALL, 0xC0U);
    set_priority(EXTERNAL + 1U, 0x80U);
    set_priority(EXTERNAL + 2U, 0x40U);
    enable(1);
    enable(2);

    say("thread on the main stack, aligned and not");
    call_with(0);
    call_with(4);
    pend(1U << 1);
    say("thread on the process stack");
    const uint32_t main_stack = get_msp();
    on_process_stack(on_process);
    show("  MSP is where it was", get_msp() == main_stack);
    say("STKALIGN is fixed on a Cortex-M7");
    CCR &= ~STKALIGN;
    show("  CCR.STKALIGN", CCR & STKALIGN);
    CCR |= STKALIGN;
    return 0;
}
