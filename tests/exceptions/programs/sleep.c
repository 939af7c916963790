/* WFI, WFE, SEV and SLEEPONEXIT: what wakes the core, and what is taken then (B1.5.17, B1.5.18).
 * A core need not sleep at all on these hints, so the programs tells what has happened behind them.
 */
#include "conform.h"

enum { TICKING = 7, TICK = 20000 };

static volatile uint32_t ticks;
static uint32_t last_tick;

static void systick(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    ticks++;
    if (ticks == last_tick) {
        SYST_CSR = 0U;
        ICSR = PENDSTCLR; /* one that came meanwhile */
        SCR = 0U;
    }
}

static void interrupt(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    show("  interrupt", get_ipsr() - EXTERNAL);
}

static void start_ticks(uint32_t count) {
    ticks = 0U;
    last_tick = count;
    SYST_RVR = TICK;
    SYST_CVR = 0U;
    SYST_CSR = TICKING;
}

static void wait_for_interrupt(void) {
    __asm volatile("dsb\n wfi\n isb" ::: "memory");
}

static void wait_for_event(void) {
    __asm volatile("dsb\n wfe\n isb" ::: "memory");
}

int main(void) {
    handle(SYSTICK, systick);
    handle(EXTERNAL + 1U, interrupt);
    set_priority(EXTERNAL + 1U, 0x80U);

    say("WFI until SysTick");
    start_ticks(3);
    while (ticks < 3U) {
        wait_for_interrupt();
    }
    show("  ticks", ticks);

    say("PRIMASK: it wakes, and the interrupt is taken when PRIMASK goes");
    set_primask(1);
    start_ticks(1);
    while ((ICSR & PENDSTSET) == 0U) {
        wait_for_interrupt();
    }
    show("  ticks", ticks);
    set_primask(0);
    settle();
    show("  ticks", ticks);

    say("an interrupt that is pending already: no sleep");
    enable(1);
    set_primask(1);
    pend(1U << 1);
    wait_for_interrupt();
    show("  ISPR", NVIC_ISPR);
    set_primask(0);
    settle();

    say("WFE behind SEV goes on, and so does one behind an exception");
    __asm volatile("sev\n wfe" ::: "memory");
    pend(1U << 1);
    wait_for_event();

    say("SEVONPEND: a disabled interrupt that comes to pend is an event");
    NVIC_ICER = 1U << 1;
    SCR = SEVONPEND;
    __asm volatile("sev\n wfe" ::: "memory"); /* the event register is clear now */
    pend(1U << 1);
    wait_for_event();
    show("  ISPR", NVIC_ISPR);
    NVIC_ICPR = 1U << 1;
    SCR = 0U;

    say("WFE until SysTick");
    start_ticks(2);
    while (ticks < 2U) {
        wait_for_event();
    }
    show("  ticks", ticks);

    say("SLEEPONEXIT: the thread goes on when a handler has switched it off");
    SCR = SLEEPONEXIT;
    start_ticks(3);
    wait_for_interrupt();
    show("  ticks", ticks);
    return 0;
}
