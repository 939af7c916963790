/* conform.h - what the programs of this folder use to take exceptions and to tell what they saw.
 *
 * A program is a function `main` that provokes exceptions and writes a trace, a line an
 * observation. The trace tells nothing that depends on time, on the chip, or on where the linker
 * put things, so it is one text for every Armv7-M core with a main extension. Names of registers
 * and bits are those of the Armv7-M Architecture Reference Manual (DDI 0403E), chapters B1 and B3.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORD(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define HALFWORD(address) (*(volatile uint16_t *)(uintptr_t)(address))
#define BYTE(address) (*(volatile uint8_t *)(uintptr_t)(address))

/* System control block, B3.2.2. */
#define ACTLR WORD(0xE000E008U)
#define CPUID WORD(0xE000ED00U)
#define ICSR WORD(0xE000ED04U)
#define VTOR WORD(0xE000ED08U)
#define AIRCR WORD(0xE000ED0CU)
#define SCR WORD(0xE000ED10U)
#define CCR WORD(0xE000ED14U)
#define SHPR(exception) BYTE(0xE000ED14U + (exception)) /* of exceptions 4 to 15 */
#define SHPR1 WORD(0xE000ED18U)
#define SHPR2 WORD(0xE000ED1CU)
#define SHPR3 WORD(0xE000ED20U)
#define SHCSR WORD(0xE000ED24U)
#define CFSR WORD(0xE000ED28U)
#define HFSR WORD(0xE000ED2CU)
#define DFSR WORD(0xE000ED30U)
#define MMFAR WORD(0xE000ED34U)
#define BFAR WORD(0xE000ED38U)
#define CPACR WORD(0xE000ED88U)
#define STIR WORD(0xE000EF00U)
#define FPCCR WORD(0xE000EF34U)
#define FPCAR WORD(0xE000EF38U)
#define FPDSCR WORD(0xE000EF3CU)

#define NMIPENDSET (1U << 31)
#define PENDSVSET (1U << 28)
#define PENDSVCLR (1U << 27)
#define PENDSTSET (1U << 26)
#define PENDSTCLR (1U << 25)
#define ISRPENDING (1U << 22)
#define RETTOBASE (1U << 11)
#define VECTPENDING (0x1FFU << 12)
#define VECTACTIVE 0x1FFU
#define VECTKEY 0x05FA0000U
#define SYSRESETREQ (1U << 2)
#define SLEEPONEXIT (1U << 1)
#define SEVONPEND (1U << 4)
#define NONBASETHRDENA (1U << 0)
#define USERSETMPEND (1U << 1)
#define UNALIGN_TRP (1U << 3)
#define DIV_0_TRP (1U << 4)
#define BFHFNMIGN (1U << 8)
#define STKALIGN (1U << 9)
#define MEMFAULTENA (1U << 16)
#define BUSFAULTENA (1U << 17)
#define USGFAULTENA (1U << 18)
#define IACCVIOL (1U << 0)
#define DACCVIOL (1U << 1)
#define MSTKERR (1U << 4)
#define MMARVALID (1U << 7)
#define PRECISERR (1U << 9)
#define IMPRECISERR (1U << 10)
#define BFARVALID (1U << 15)
#define ASPEN (1U << 31)
#define LSPEN (1U << 30)
#define LSPACT (1U << 0)
#define CP10_AND_CP11 (0xFU << 20)

/* SysTick, B3.3.2. */
#define SYST_CSR WORD(0xE000E010U)
#define SYST_RVR WORD(0xE000E014U)
#define SYST_CVR WORD(0xE000E018U)
#define SYST_CALIB WORD(0xE000E01CU)
#define COUNTFLAG (1U << 16)

/* NVIC, B3.4.3; each register holds 32 interrupts. */
#define NVIC_ISER WORD(0xE000E100U)
#define NVIC_ICER WORD(0xE000E180U)
#define NVIC_ISPR WORD(0xE000E200U)
#define NVIC_ICPR WORD(0xE000E280U)
#define NVIC_IABR WORD(0xE000E300U)
#define NVIC_IPR(interrupt) BYTE(0xE000E400U + (interrupt))

/* MPU, B3.5.4. */
#define MPU_TYPE WORD(0xE000ED90U)
#define MPU_CTRL WORD(0xE000ED94U)
#define MPU_RNR WORD(0xE000ED98U)
#define MPU_RBAR WORD(0xE000ED9CU)
#define MPU_RASR WORD(0xE000EDA0U)
#define MPU_ALIAS(register) WORD(0xE000ED9CU + 4U * (register))

enum exception {
    NMI = 2,
    HARD_FAULT = 3,
    MEM_MANAGE = 4,
    BUS_FAULT = 5,
    USAGE_FAULT = 6,
    SVCALL = 11,
    PENDSV = 14,
    SYSTICK = 15,
    EXTERNAL = 16, /* interrupt 0 */
    EXCEPTIONS = 48
};

/* What is on the stack when a handler begins, B1.5.6. With floating point, s0 to s15, FPSCR and a
 * reserved word follow. */
struct frame {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
};

typedef void (*handler)(struct frame *frame, uint32_t exc_return);

/* Has `exception` handled by a function, which may change the frame that is returned to. An
 * exception without one ends the program with a line that tells which it was. */
void handle(unsigned exception, handler function);

/* What a handler returns with, if it is to be another EXC_RETURN than it was entered with. */
extern uint32_t return_with;

void say(const char *text);
void show(const char *what, uint32_t value);
/* All that was said goes to the debugger, and the program ends. */
_Noreturn void finish(void);

/* Clears the status of faults after showing it, CFSR and HFSR. */
void show_fault_status(void);

/* A handler of faults for functions that do one thing that faults and are no deeper than their
 * caller: it shows the exception, CFSR, HFSR and how far into `attempt` it happened, and returns to
 * the caller. */
void abandon(struct frame *frame, uint32_t exc_return);
/* Says `what`, then calls a function written in assembly whose fault `abandon` handles. */
void attempt(const char *what, void (*function)(uint32_t r0, uint32_t r1), uint32_t r0,
             uint32_t r1);

/* What `abandon` tells the pc from. */
extern uintptr_t attempted;

/* Calls a function in thread mode on a process stack of 512 bytes; it may change CONTROL, but must
 * return privileged. */
void on_process_stack(void (*function)(void));
/* The same, unprivileged. The function must not do what is for privileged code only. */
void unprivileged(void (*function)(void));

/* Both orders of what a store to the system control space brings: it has happened, and what it
 * pends has been taken. */
static inline void settle(void) {
    __asm volatile("dsb\n isb" ::: "memory");
}

static inline void set_priority(unsigned exception, uint32_t priority) {
    if (exception < EXTERNAL) {
        SHPR(exception) = (uint8_t)priority;
    } else {
        NVIC_IPR(exception - EXTERNAL) = (uint8_t)priority;
    }
}

static inline void enable(unsigned interrupt) {
    NVIC_ISER = 1U << interrupt;
}

/* Pends interrupts of a mask, all with one store. */
static inline void pend(uint32_t interrupts) {
    NVIC_ISPR = interrupts;
    settle();
}

#define SPECIAL_REGISTER(name)                                                                     \
    static inline uint32_t get_##name(void) {                                                      \
        uint32_t value;                                                                            \
        __asm volatile("mrs %0, " #name : "=r"(value)::"memory");                                  \
        return value;                                                                              \
    }                                                                                              \
    static inline void set_##name(uint32_t value) {                                                \
        __asm volatile("msr " #name ", %0\n isb" ::"r"(value) : "memory");                         \
    }
SPECIAL_REGISTER(primask)
SPECIAL_REGISTER(basepri)
SPECIAL_REGISTER(basepri_max)
SPECIAL_REGISTER(faultmask)
SPECIAL_REGISTER(msp)
SPECIAL_REGISTER(psp)

/* nPRIV, SPSEL and FPCA; what is read of the reserved bits is unknown (B1.4.4). */
static inline uint32_t get_control(void) {
    uint32_t value;
    __asm volatile("mrs %0, control" : "=r"(value)::"memory");
    return value & 7U;
}

static inline void set_control(uint32_t value) {
    __asm volatile("msr control, %0\n isb" ::"r"(value) : "memory");
}

static inline uint32_t get_ipsr(void) {
    uint32_t value;
    __asm volatile("mrs %0, ipsr" : "=r"(value));
    return value;
}

static inline uint32_t get_sp(void) {
    uint32_t value;
    __asm volatile("mov %0, sp" : "=r"(value));
    return value;
}

#define supervisor_call(number) __asm volatile("svc " #number ::: "memory")

/* A function written in assembly. */
#define ASSEMBLY(name, ...)                                                                        \
    __attribute__((naked, noinline, aligned(4))) static void name(                                 \
        __attribute__((unused)) uint32_t r0, __attribute__((unused)) uint32_t r1) {                \
        __asm volatile(".fpu fpv5-sp-d16\n" __VA_ARGS__);                                          \
    }

/* The chip's memory, from the linker script. */
extern char ram_end[];  /* nothing answers from here on */
extern uint32_t kept[]; /* 64 words that no start-up code and no loader touches */

#endif
