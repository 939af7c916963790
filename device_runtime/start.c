/*
 * start.c - vector table and start-up. The host sets the program counter to usim_start for every
 * batch; nothing survives in registers from one batch to the next, so a debugger's reset between
 * two is fine.
 */
#include "registers.h"
#include "runtime.h"

/* 16 of the core and 98 (STM32F74x) or 110 (STM32F76x) interrupts, rounded to a power of 2. */
#define VECTOR_COUNT 128U

usim_config_t usim_config;

/* Every vector leads to the fault entry: the runtime enables no interrupt. */
__attribute__((aligned(512))) static uint32_t vectors[VECTOR_COUNT];

static void enable_counter(void) {
    DCB_DEMCR |= DCB_DEMCR_TRCENA;
    DWT_LAR = DWT_LAR_KEY;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
}

__attribute__((used)) static void prepare(void) {
    vectors[0] = usim_config.handler_stack_top;
    for (uint32_t i = 1; i < VECTOR_COUNT; i++) {
        vectors[i] = (uint32_t)(uintptr_t)usim_fault_entry;
    }
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
    SCB_CPACR |= SCB_CPACR_FPU_FULL_ACCESS;
    SCB_CCR |= SCB_CCR_DIV_0_TRP;
    SCB_SHCSR |= SCB_SHCSR_FAULTS_ENABLED;
    SCB_CFSR = SCB_CFSR; /* write one to clear */
    SCB_HFSR = SCB_HFSR;
    __asm volatile("dsb\n isb" ::: "memory");
#ifdef USIM_SETS_UP_CLOCK
    usim_clock_set_up(); /* before each batch: a reset in between undoes it */
#endif
    enable_counter();
    usim_caches_on();
}

/* Handlers use the main stack, tasks the process stack: a task that overflows leaves the fault
   handler a stack to stand on. */
__attribute__((naked)) void usim_start(void) {
    __asm volatile("movw r4, #:lower16:usim_config\n"
                   "movt r4, #:upper16:usim_config\n"
                   "ldr  r0, [r4, #12]\n" /* handler_stack_top */
                   "msr  msp, r0\n"
                   "ldr  r0, [r4, #8]\n" /* task_stack_top */
                   "msr  psp, r0\n"
                   "movs r0, #2\n" /* CONTROL.SPSEL: use the process stack; FPCA clear */
                   "msr  control, r0\n"
                   "isb\n"
                   "bl   prepare\n"
                   "bl   usim_run_batch\n"
                   "bl   usim_caches_off\n"
                   "bl   usim_done\n");
}

/* The host runs until this address. A function of its own, so that no instruction precedes it in a
   block and every device can break on it. */
__attribute__((noinline, naked)) void usim_done(void) {
    __asm volatile("1: b 1b\n");
}
