/* latency.c - cycles from an event to its handler's first instruction, for four kinds of source.
 *
 * Code, vectors and stack are in tightly coupled memory. Of the timers, the count that the handler
 * reads first tells as well how long ago the event was. */
#include "console.h"
#include "cycles.h"
#include "stm32f746.h"

enum { VECTORS = 16 + 98, PHASES = 16, PERIOD = 1000 };
enum { CEN = 1, UG = 1, UIF = 1 };

typedef struct {
    uint32_t count, cycle;
} moment;

static uint32_t table[VECTORS] __attribute__((aligned(512)));
static volatile moment at_entry;

/* Called by the handler with what its first two instructions have read. */
IN_ITCM __attribute__((used)) void note(uint32_t count, uint32_t cycle) {
    at_entry.count = count;
    at_entry.cycle = cycle;
    TIM_CR1(TIM2) = 0U;
    TIM_SR(TIM2) = 0U;
    SYST_CSR = 0U;
    EXTI_PR = 1U;
}

/* R0 and R3 are those of what was interrupted: the addresses of a counter, and of CYCCNT. */
__attribute__((naked, aligned(8), section(".itcm"))) static void handler(void) {
    __asm volatile("ldr r0, [r0]\n"
                   "ldr r1, [r3]\n"
                   "b note");
}

/* Reads a counter and CYCCNT as the handler does, from an empty pipeline, and lets time pass. */
__attribute__((naked, noinline, aligned(8), section(".itcm"))) static void
wait_for_it(__attribute__((unused)) uint32_t counter, __attribute__((unused)) moment *before) {
    __asm volatile("movw r3, #0x1004\n"
                   "movt r3, #0xE000\n"
                   "mov r12, #4000\n"
                   "push {r4, r5}\n"
                   "isb\n"
                   ".balign 8\n"
                   "ldr r4, [r0]\n"
                   "ldr r5, [r3]\n"
                   "1: subs r12, #1\n"
                   "bne 1b\n"
                   "strd r4, r5, [r1]\n"
                   "pop {r4, r5}\n"
                   "bx lr");
}

/* Stores, and returns CYCCNT as it was in the cycle before: two instructions go a cycle. */
__attribute__((naked, noinline, aligned(8), section(".itcm"))) static uint32_t
store(__attribute__((unused)) uint32_t target, __attribute__((unused)) uint32_t value) {
    __asm volatile("mov r2, r0\n"
                   "movw r0, #0x1004\n"
                   "movt r0, #0xE000\n"
                   "mov r3, r0\n"
                   "push {r4}\n"
                   "isb\n"
                   ".balign 8\n"
                   "nop\n"
                   "ldr r4, [r0]\n"
                   "str r1, [r2]\n"
                   ".rept 64\n nop\n .endr\n"
                   "mov r0, r4\n"
                   "pop {r4}\n"
                   "bx lr");
}

static moment run_timer(uint32_t period) {
    moment before;
    TIM_ARR(TIM2) = period - 1U;
    TIM_EGR(TIM2) = UG;
    TIM_SR(TIM2) = 0U;
    TIM_CR1(TIM2) = CEN;
    wait_for_it(TIM2 + 0x24U, &before);
    return before;
}

static void measure_timer(void) {
    for (uint32_t period = PERIOD; period < PERIOD + PHASES; period++) {
        const moment before = run_timer(period);
        console_value("tim2 by count", at_entry.count);
        console_value("tim2 by cycle", at_entry.cycle - before.cycle - (period - before.count));
    }
}

static void measure_systick(void) {
    for (uint32_t i = 0; i < PHASES; i++) {
        moment before;
        SYST_RVR = PERIOD + i;
        SYST_CVR = 0U;
        SYST_CSR = SYST_RUN;
        wait_for_it(0xE000E018U, &before);
        /* The clock after 0 reloads the counter. */
        console_value("systick by count", PERIOD + i - at_entry.count + 1U);
        console_value("systick by cycle", at_entry.cycle - before.cycle - before.count);
    }
}

static void measure_stores(const char *name, uint32_t target, uint32_t value) {
    for (uint32_t i = 0; i < PHASES; i++) {
        const uint32_t before = store(target, value);
        console_value(name, at_entry.count - before - 1U); /* R0 was that of CYCCNT too */
    }
}

int main(void) {
    console_open(HSI_HZ / 8U); /* eight times as fast: there is much to tell */
    start_cycle_counter();
    table[15] = table[16 + EXTI0_IRQ] = table[16 + TIM2_IRQ] = (uint32_t)(uintptr_t)handler;
    SCB_VTOR = (uint32_t)(uintptr_t)table;
    RCC_APB1ENR |= APB1ENR_TIM2;
    (void)RCC_APB1ENR;
    TIM_DIER(TIM2) = UIF;
    EXTI_IMR = 1U;
    enable_interrupt(EXTI0_IRQ);
    enable_interrupt(TIM2_IRQ);
    measure_timer();
    measure_systick();
    measure_stores("ispr", 0xE000E200U, 1U << EXTI0_IRQ);
    measure_stores("swier", 0x40013C10U, 1U);
    console_text("done\n");
    console_flush();
    return 0;
}
