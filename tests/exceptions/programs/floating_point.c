/* The floating-point extension in exceptions: access, CONTROL.FPCA, stacking at once and lazily
 * (B1.5.7). */
#include "conform.h"

ASSEMBLY(move_to_s0, "vmov s0, r0\n bx lr")
ASSEMBLY(read_fpscr, "vmrs r0, fpscr\n bx lr")
/* s0 and s15 get r0 and r1, s16 too; then a supervisor call, and s0 and s15 go to `s0_after` and
 * its neighbour. */
ASSEMBLY(call_with_floats,
         "push {r4, lr}\n vmov s0, r0\n vmov s15, r1\n vmov s16, r1\n"
         "mov r2, #0x01000000\n vmsr fpscr, r2\n"
         "svc #1\n"
         "ldr r2, =s_after\n vstr s0, [r2]\n vstr s15, [r2, #4]\n vstr s16, [r2, #8]\n"
         "vmrs r3, fpscr\n str r3, [r2, #12]\n pop {r4, pc}\n .ltorg")

__attribute__((used)) static uint32_t s_after[4];
static uint32_t s0_before = 0x1110U;
static bool touches;
static bool nests;

static uint32_t fpscr(void) {
    uint32_t value;
    __asm volatile(".fpu fpv5-sp-d16\n vmrs %0, fpscr" : "=r"(value)::"memory");
    return value;
}

static void spoil(void) {
    __asm volatile(".fpu fpv5-sp-d16\n vmov s0, %0\n vmov s15, %0" ::"r"(0xDEADU) : "memory");
}

static void interrupt(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    show("    nested: EXC_RETURN", exc_return);
    show("      LSPACT", FPCCR & LSPACT);
    spoil();
    show("      LSPACT behind VMOV", FPCCR & LSPACT);
}

static void svc(struct frame *frame, uint32_t exc_return) {
    uint32_t *const floats = (uint32_t *)(frame + 1);
    const bool extended = (exc_return & 0x10U) == 0U;
    show("  SVC: EXC_RETURN", exc_return);
    show("    CONTROL", get_control());
    show("    LSPACT", FPCCR & LSPACT);
    if (!extended) {
        return;
    }
    if ((FPCCR & LSPACT) != 0U) {
        show("    FPCAR is behind the frame", FPCAR == (uint32_t)(uintptr_t)floats);
        show("    FPCCR.THREAD, USER", FPCCR & 0xAU);
        show("    nothing stored yet", floats[0] != s0_before);
    }
    show("    frame is 8-byte aligned", ((uintptr_t)frame & 7U) == 0U);
    if (nests) {
        pend(1U << 3);
        show("    behind the nested handler, LSPACT", FPCCR & LSPACT);
        show("    CONTROL", get_control());
    }
    if (touches) {
        show("    FPSCR in the handler", fpscr());
        show("    CONTROL behind VMRS", get_control());
        show("    LSPACT behind VMRS", FPCCR & LSPACT);
        spoil();
    }
    if (touches || nests || (FPCCR & LSPEN) == 0U) {
        show("    stored s0", floats[0]);
        show("    stored s15", floats[15]);
        show("    stored FPSCR", floats[16]);
    }
}

static void call_and_tell(const char *what) {
    s0_before++; /* another value than an earlier frame left on the stack */
    attempt(what, call_with_floats, s0_before, 0x2222U);
    show("  s0", s_after[0]);
    show("  s15", s_after[1]);
    show("  s16", s_after[2]);
    show("  FPSCR", s_after[3]);
    show("  CONTROL", get_control());
    show("  LSPACT", FPCCR & LSPACT);
}

static void on_process(void) {
    call_and_tell("on the process stack");
    set_control(2); /* FPCA off */
    supervisor_call(0);
}

int main(void) {
    handle(SVCALL, svc);
    handle(USAGE_FAULT, abandon);
    handle(HARD_FAULT, abandon);
    handle(EXTERNAL + 3U, interrupt);
    set_priority(SVCALL, 0x80U);
    set_priority(EXTERNAL + 3U, 0x40U);
    enable(3);
    SHCSR |= USGFAULTENA;

    show("CPACR", CPACR);
    attempt("VMOV without access", move_to_s0, 0, 0);
    attempt("VMRS without access", read_fpscr, 0, 0);
    show("CONTROL", get_control());
    CPACR |= CP10_AND_CP11;
    settle();
    show("FPCCR after reset", FPCCR & (ASPEN | LSPEN | LSPACT));
    FPDSCR = 0x03000000U; /* DN and FZ for new contexts */
    supervisor_call(0);
    attempt("VMOV", move_to_s0, 0, 0);
    show("  CONTROL", get_control());
    show("  FPSCR of the new context", fpscr());

    call_and_tell("lazy, the handler has no floats");
    touches = true;
    call_and_tell("lazy, the handler has floats");
    nests = true;
    touches = false;
    call_and_tell("lazy, a nested handler has floats");
    nests = false;
    on_process_stack(on_process);
    set_control(0);
    supervisor_call(0);
    say("LSPEN 0: at once");
    FPCCR = ASPEN;
    call_and_tell("the handler has no floats");
    touches = true;
    call_and_tell("the handler has floats");
    touches = false;
    set_control(0);
    return 0;
}
