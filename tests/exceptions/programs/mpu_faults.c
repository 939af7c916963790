/* MemManage faults by the MPU other than of plain loads and stores: fetches, stacking, unstacking,
 * vectors (B3.5). */
#include "conform.h"

enum { ENABLE = 1, HFNMIENA = 2, PRIVDEFENA = 4 };
enum { OF_32_BYTES = 4 << 1, OF_512_BYTES = 8 << 1, ALL_4_GB = 31 << 1 };
#define PERMISSION(ap) ((uint32_t)(ap) << 24)
#define XN (1U << 28)

/* Code is in the upper half; there is memory before it. */
static uint16_t memory[32] __attribute__((aligned(64)));
static uint16_t *const code = &memory[16];
extern uint32_t process_stack[128];
static bool in_hard_fault;

ASSEMBLY(jump, "bx r0")
ASSEMBLY(load, "ldr r0, [r0]\n bx lr")
ASSEMBLY(load_multiple, "ldmia r0, {r0, r1, r2, r3}\n bx lr")

static void region(uint32_t number, uint32_t base, uint32_t attributes) {
    MPU_RBAR = base | (1U << 4) | number;
    MPU_RASR = attributes == 0U ? 0U : attributes | 1U;
    settle();
}

static void svc(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    say("  SVC");
}

/* Stacking failed: the frame is not there. Open the region and go on where thread mode can. */
static void stacking_failed(struct frame *frame, uint32_t exc_return) {
    show("  exception", get_ipsr());
    show("  EXC_RETURN", exc_return);
    show("  the stack pointer was lowered by",
         (uint32_t)(uintptr_t)&process_stack[128] - (uint32_t)(uintptr_t)frame);
    show("  SVCALLPENDED", SHCSR & (1U << 15));
    show_fault_status();
    region(7, 0, 0);
    extern char behind_call[];
    frame->pc = (uint32_t)(uintptr_t)behind_call & ~1U;
    frame->xpsr = 1U << 24;
}

/* Calls with PSP at the top of the process stack and goes on with MSP as it was. */
__attribute__((naked, noinline)) static void call_on_process_stack(void) {
    __asm volatile("push {r4, r5, r6, lr}\n"
                   "push {r7, r8, r9, r10}\n push {r11, r12}\n"
                   "ldr r1, =process_stack + 512\n"
                   "msr psp, r1\n"
                   "movs r1, #2\n"
                   "msr control, r1\n isb\n"
                   "svc #1\n"
                   ".thumb_func\n"
                   ".global behind_call\n"
                   "behind_call: movs r1, #0\n"
                   "msr control, r1\n isb\n"
                   "pop {r11, r12}\n pop {r7, r8, r9, r10}\n"
                   "pop {r4, r5, r6, pc}\n .ltorg\n");
}

static void close_stack(struct frame *frame, uint32_t exc_return) {
    (void)exc_return;
    (void)frame;
    say("  SVC, which takes the stack away");
    region(7, (uint32_t)(uintptr_t)process_stack, PERMISSION(0) | OF_512_BYTES);
}

static void unstacking_failed(struct frame *frame, uint32_t exc_return) {
    show("  exception", get_ipsr());
    show("  EXC_RETURN", exc_return);
    show("  the frame is where it was",
         (uint32_t)(uintptr_t)&process_stack[128] - (uint32_t)(uintptr_t)frame);
    show("  SHCSR", SHCSR & 0xFFFFU);
    show_fault_status();
    region(7, 0, 0);
}

static void fetches(void) {
    code[0] = 0x4770U; /* bx lr */
    __asm volatile("dsb\n isb" ::: "memory");
    const uint32_t at = (uint32_t)(uintptr_t)code;
    attempt("code in RAM", jump, at | 1U, 0);
    region(7, at, PERMISSION(3) | OF_32_BYTES | XN);
    say("in a region with XN");
    attempted = at;
    handle(MEM_MANAGE, abandon);
    jump(at | 1U, 0);
    region(7, at, PERMISSION(0) | OF_32_BYTES);
    say("in a region without access");
    jump(at | 1U, 0);
    attempt("a load there", load, at, 0);
    show("  MMFAR", MMFAR - at);
    attempt("LDM that runs into it", load_multiple, at - 8U, 0);
    show("  MMFAR", MMFAR - at);
    region(7, at, PERMISSION(6) | OF_32_BYTES);
    attempt("in a region that may be read", jump, at | 1U, 0);
    region(7, 0, 0);
    attempt("devices are XN by the default map", jump, 0x40000001U, 0);
    region(7, 0xE0000000U, PERMISSION(3) | (27U << 1));
    attempt("the system space is so with a region too", jump, 0xE000E001U, 0);
    region(7, 0, 0);
}

static void hard_fault(struct frame *frame, uint32_t exc_return) {
    if (!in_hard_fault) {
        in_hard_fault = true;
        say("HardFault: the MPU is off without HFNMIENA");
        const uint32_t value = *(volatile uint32_t *)(void *)code;
        show("  load", value != 0U);
    }
    abandon(frame, exc_return);
}

int main(void) {
    handle(MEM_MANAGE, abandon);
    handle(HARD_FAULT, hard_fault);
    handle(SVCALL, svc);
    set_priority(SVCALL, 0x80U);
    SHCSR |= MEMFAULTENA;
    MPU_CTRL = ENABLE | PRIVDEFENA;
    settle();
    fetches();

    say("stacking to where it may not");
    handle(MEM_MANAGE, stacking_failed);
    region(7, (uint32_t)(uintptr_t)process_stack, PERMISSION(0) | OF_512_BYTES);
    call_on_process_stack();
    say("unstacking from where it may not");
    handle(MEM_MANAGE, unstacking_failed);
    handle(SVCALL, close_stack);
    call_on_process_stack();
    show("  CONTROL", get_control());

    say("MemManage disabled");
    handle(MEM_MANAGE, abandon);
    SHCSR &= ~MEMFAULTENA;
    region(7, (uint32_t)(uintptr_t)code, PERMISSION(0) | OF_32_BYTES);
    attempt("load", load, (uint32_t)(uintptr_t)code, 0);
    say("FAULTMASK: priority -1, the MPU is off");
    set_faultmask(1);
    const uint32_t value = *(volatile uint32_t *)(void *)code;
    set_faultmask(0);
    show("  load", value != 0U);
    return 0;
}
