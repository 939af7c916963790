/* SysTick: the counter's registers, its flag and its exception (B3.3). */
#include "conform.h"

enum { ENABLE = 1, TICKINT = 2, CLKSOURCE = 4 };

static volatile uint32_t ticks;

static void systick(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    (void)exc_return;
    ticks++;
    if (ticks == 1U) {
        show("  SysTick, IPSR", get_ipsr());
        show("    SHCSR.SYSTICKACT", SHCSR & (1U << 11));
        show("    COUNTFLAG", SYST_CSR & COUNTFLAG);
        show("    and again", SYST_CSR & COUNTFLAG);
    }
    if (ticks == 3U) {
        SYST_CSR = 0U;
        ICSR = PENDSTCLR; /* one that came meanwhile */
    }
}

static void wait_for_countflag(void) {
    while ((SYST_CSR & COUNTFLAG) == 0U) {
    }
}

static void counting(void) {
    say("it counts down from RELOAD, and again");
    SYST_RVR = 0x00FFFFFFU;
    SYST_CVR = 5U; /* any value clears it */
    show("  cleared by a write, current", SYST_CVR);
    SYST_CSR = CLKSOURCE | ENABLE;
    while (SYST_CVR == 0U) {
    }
    const uint32_t first = SYST_CVR;
    const uint32_t second = SYST_CVR;
    show("  downwards", second <= first);
    show("  not beyond RELOAD", first <= 0x00FFFFFFU);
    show("  no COUNTFLAG yet", SYST_CSR & COUNTFLAG);
    SYST_RVR = 20000U;
    SYST_CVR = 0U;
    wait_for_countflag();
    show("  after COUNTFLAG, not beyond RELOAD", SYST_CVR <= 20000U);
    show("  PENDSTSET without TICKINT", ICSR & PENDSTSET);
    SYST_CSR = 0U;
    const uint32_t stopped = SYST_CVR;
    show("  stopped, it stays", SYST_CVR == stopped);
}

int main(void) {
    handle(SYSTICK, systick);
    show("CSR", SYST_CSR & 0xFFFEFFF8U);
    say("RELOAD has 24 bits");
    SYST_RVR = 0xFFFFFFFFU;
    show("  RELOAD", SYST_RVR);
    counting();

    say("a write of CURRENT clears COUNTFLAG, and does not pend");
    SYST_RVR = 2000U;
    SYST_CVR = 0U;
    SYST_CSR = CLKSOURCE | ENABLE;
    while (SYST_CVR == 0U) {
    }
    uint32_t last = SYST_CVR;
    for (uint32_t now = SYST_CVR; now <= last; now = SYST_CVR) {
        last = now; /* until it wraps */
    }
    SYST_CVR = 0U;
    SYST_RVR = 0x00FFFFFFU;
    SYST_CVR = 0U;
    show("  COUNTFLAG", SYST_CSR & COUNTFLAG);
    show("  PENDSTSET", ICSR & PENDSTSET);
    SYST_CSR = 0U;

    say("masked, it stays pending");
    set_primask(1);
    SYST_RVR = 2000U;
    SYST_CVR = 0U;
    SYST_CSR = CLKSOURCE | TICKINT | ENABLE;
    wait_for_countflag();
    SYST_CSR = 0U;
    (void)SYST_CSR; /* COUNTFLAG, if it has wrapped once more */
    show("  PENDSTSET", ICSR & PENDSTSET);
    show("  VECTPENDING", (ICSR & VECTPENDING) >> 12);
    show("  ISRPENDING is of external ones", ICSR & ISRPENDING);
    ICSR = PENDSTCLR;
    settle();
    show("  PENDSTSET, cleared", ICSR & PENDSTSET);
    set_primask(0);
    show("  ticks", ticks);

    say("pended by software");
    ICSR = PENDSTSET;
    settle();
    show("  ticks", ticks);

    say("taken, three times in all");
    SYST_RVR = 20000U;
    SYST_CVR = 0U;
    SYST_CSR = CLKSOURCE | TICKINT | ENABLE;
    while (ticks < 3U) {
    }
    show("  ticks", ticks);
    return 0;
}
