/* Unprivileged code: special registers, the system control space, supervisor calls (B1.4.4, B3.1,
 * B5.2). */
#include "conform.h"

ASSEMBLY(load, "ldr r0, [r0]\n bx lr")
ASSEMBLY(load_byte, "ldrb r0, [r0]\n bx lr")
ASSEMBLY(load_as_user, "ldrt r0, [r0]\n bx lr")

static void svc(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    show("  SVC: EXC_RETURN", exc_return);
    show("    CONTROL in the handler", get_control());
    show("    it may read ICSR.VECTACTIVE", ICSR & VECTACTIVE);
}

static void interrupt(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    show("  interrupt", get_ipsr() - EXTERNAL);
}

static void store_fault(struct frame *frame, uint32_t exc_return) {
    (void)exc_return;
    show("  exception", get_ipsr());
    show("  PRECISERR or IMPRECISERR", (CFSR & (PRECISERR | IMPRECISERR)) != 0U);
    CFSR = 0xFFFFFFFFU;
    frame->pc = frame->lr & ~1U;
}

ASSEMBLY(store, "str r1, [r0]\n dsb\n bx lr")

static void special_registers(void) {
    show("  CONTROL", get_control());
    set_control(0);
    show("  CONTROL can't be changed", get_control());
    set_primask(1);
    set_basepri(0x80U);
    set_faultmask(1);
    __asm volatile("cpsid i\n cpsid f" ::: "memory");
    show("  PRIMASK", get_primask());
    show("  BASEPRI", get_basepri());
    show("  MSP", get_msp());
    show("  PSP", get_psp());
    uint32_t flags;
    __asm volatile("msr apsr_nzcvq, %1\n mrs %0, apsr" : "=r"(flags) : "r"(0xF8000000U) : "cc");
    show("  APSR can", flags);
    supervisor_call(1);
}

static void system_space(void) {
    attempt("load of ICSR", load, 0xE000ED04U, 0);
    attempt("load of CPUID", load, 0xE000ED00U, 0);
    attempt("load of a byte of SHPR3", load_byte, 0xE000ED22U, 0);
    attempt("load of NVIC_ISER", load, 0xE000E100U, 0);
    attempt("load of SYST_CSR", load, 0xE000E010U, 0);
    attempt("load of MPU_TYPE", load, 0xE000ED90U, 0);
}

static void stores(void) {
    attempt("store to NVIC_ISPR", store, 0xE000E200U, 2);
    attempt("store to AIRCR", store, 0xE000ED0CU, 0x05FA0004U);
    attempt("store to STIR", store, 0xE000EF00U, 1);
}

static void software_trigger(void) {
    attempt("store to STIR, USERSETMPEND", store, 0xE000EF00U, 1);
}

int main(void) {
    handle(SVCALL, svc);
    handle(BUS_FAULT, abandon);
    handle(HARD_FAULT, abandon);
    handle(EXTERNAL + 1U, interrupt);
    enable(1);
    set_priority(BUS_FAULT, 0x20U);
    set_priority(SVCALL, 0x40U);
    SHCSR |= BUSFAULTENA;
    say("special registers");
    unprivileged(special_registers);
    show("PRIMASK", get_primask());
    show("BASEPRI", get_basepri());
    show("FAULTMASK", get_faultmask());
    say("system control space");
    unprivileged(system_space);
    handle(BUS_FAULT, store_fault);
    unprivileged(stores);
    show("ISPR", NVIC_ISPR);
    CCR |= USERSETMPEND;
    settle();
    unprivileged(software_trigger);
    handle(BUS_FAULT, abandon);
    say("privileged code may act as if it were not");
    attempt("LDRT of ICSR", load_as_user, 0xE000ED04U, 0);
    return 0;
}
