/* FPCCR.ASPEN 0: floating-point instructions leave CONTROL.FPCA alone, and nothing is stacked
 * (B1.5.7). */
#include "conform.h"

ASSEMBLY(move_to_s0, "vmov s0, r0\n bx lr")

static void svc(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    show("  SVC: EXC_RETURN", exc_return);
}

int main(void) {
    handle(SVCALL, svc);
    CPACR |= CP10_AND_CP11;
    settle();
    FPCCR = 0U;
    settle();
    attempt("VMOV", move_to_s0, 0, 0);
    supervisor_call(0);
    show("CONTROL", get_control());
    return 0;
}
