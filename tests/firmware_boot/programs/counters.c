/* counters.c - loops that wait for what counts by itself: CYCCNT, timers in all modes, SysTick.
 *
 * Each loop prints what it found and how often it looked, so that any load that came a cycle off
 * would show. */
#include "console.h"
#include "stm32f746.h"

enum { CEN = 1, OPM = 8, DOWN = 16, CENTRE = 3 << 5, ARPE = 128, UIF = 1, UG = 1 };
enum { CLKSOURCE = 4, TICKINT = 2, ENABLE = 1, RELOAD = 2999 };

static volatile uint32_t ticks, came_at;

void SysTick_Handler(void) {
    ticks++;
    came_at = DWT_CYCCNT;
}

static void start_cycle_counter(uint32_t value) {
    DCB_DEMCR |= DEMCR_TRCENA;
    DWT_LAR = 0xC5ACCE55U;
    DWT_CYCCNT = value;
    DWT_CTRL |= 1U;
}

static void wait_cycles(uint32_t cycles) {
    const uint32_t begin = DWT_CYCCNT;
    uint32_t loads = 1U;
    while (DWT_CYCCNT - begin < cycles) {
        loads++;
    }
    const uint32_t cycles_taken = DWT_CYCCNT - begin;
    console_value("loads", loads);
    console_value("cycles", cycles_taken);
}

/* All that a timer shows until it has shown `changes` other values. */
static void watch_timer(uint32_t timer, uint32_t changes) {
    uint32_t seen = TIM_CNT(timer), sum = seen, loads = 1U;
    while (changes != 0U) {
        const uint32_t now = TIM_CNT(timer);
        if (now != seen) {
            sum = 31U * sum + now;
            changes--;
            seen = now;
        }
        loads++;
    }
    console_value("loads", loads);
    console_value("sum", sum);
    console_value("SR", TIM_SR(timer));
}

static void start_timer(uint32_t timer, uint32_t prescaler, uint32_t reload, uint32_t control) {
    TIM_CR1(timer) = 0U;
    TIM_PSC(timer) = prescaler;
    TIM_ARR(timer) = reload;
    TIM_EGR(timer) = UG;
    TIM_SR(timer) = 0U;
    TIM_CR1(timer) = control | CEN;
}

static void watch_timers(void) {
    start_timer(TIM2, 0U, 0xFFFFFFFFU, 0U);
    watch_timer(TIM2, 300U);
    start_timer(TIM2, 6U, 99U, 0U);
    watch_timer(TIM2, 300U);
    start_timer(TIM2, 2U, 99U, DOWN);
    watch_timer(TIM2, 300U);
    start_timer(TIM2, 20U, 30U, CENTRE);
    watch_timer(TIM2, 100U);
    start_timer(TIM2, 999U, 20U, ARPE); /* the same for longer than a polling loop is looked at */
    TIM_ARR(TIM2) = 5U;
    watch_timer(TIM2, 30U);
    start_timer(TIM5, 3U, 400U, OPM);
    while ((TIM_CR1(TIM5) & CEN) != 0U && TIM_CNT(TIM5) < 300U) {
    }
    console_value("one pulse", TIM_CNT(TIM5));
    while (*(volatile uint16_t *)(TIM5 + 0x24U) != 0U) {
    }
    console_value("over", TIM_CR1(TIM5));
}

/* A loop in which nothing changes for longer than it takes to call it one that polls a flag. */
static void wait_for_slow_timer(void) {
    start_timer(TIM5, 4999U, 0xFFFFFFFFU, 0U);
    const uint32_t begin = DWT_CYCCNT;
    while (TIM_CNT(TIM5) < 3U) {
    }
    const uint32_t cycles_taken = DWT_CYCCNT - begin;
    console_value("slow", cycles_taken);
}

/* A flag that does not come, given up after some cycles. */
static void time_out(void) {
    start_timer(TIM5, 0U, 0xFFFFFFFFU, 0U);
    const uint32_t begin = DWT_CYCCNT;
    uint32_t loads = 0U;
    do {
        loads++;
        if ((TIM_SR(TIM5) & UIF) != 0U) {
            break;
        }
    } while (DWT_CYCCNT - begin < 20000U);
    console_value("loads", loads);
}

static void watch_systick(uint32_t clock, uint32_t loops) {
    SYST_CSR = 0U;
    SYST_RVR = RELOAD;
    SYST_CVR = 0U;
    SYST_CSR = clock | TICKINT | ENABLE;
    uint32_t sum = 0U;
    for (uint32_t i = 0; i < loops; i++) {
        sum = 31U * sum + SYST_CVR;
        sum += DWT_CYCCNT;
    }
    console_value("ticks", ticks);
    console_value("came at", came_at);
    console_value("sum", sum);
}

static void change_clocks(void) {
    start_timer(TIM5, 0U, 0xFFFFFFFFU, 0U);
    uint32_t sum = 0U;
    for (uint32_t divider = 0U; divider < 8U; divider++) {
        RCC_CFGR = divider << 10; /* PPRE1 */
        for (uint32_t i = 0; i < 50U; i++) {
            sum = 31U * sum + TIM_CNT(TIM5);
        }
        RCC_APB1ENR &= ~APB1ENR_TIM5;
        sum += TIM_CNT(TIM5);
        RCC_APB1ENR |= APB1ENR_TIM5;
    }
    RCC_CFGR = 0U;
    console_value("sum", sum);
}

static void sleep(void) {
    const uint32_t cycles = DWT_CYCCNT, counted = TIM_CNT(TIM5);
    for (uint32_t i = 0; i < 3U; i++) {
        wait_for_interrupt();
        wait_cycles(500U);
    }
    console_value("awake", DWT_CYCCNT - cycles);
    console_value("in all", TIM_CNT(TIM5) - counted);
}

int main(void) {
    console_open(HSI_HZ);
    RCC_APB1ENR |= APB1ENR_TIM2 | APB1ENR_TIM5;
    (void)RCC_APB1ENR;
    start_cycle_counter(0xFFFFF000U);
    wait_cycles(20000U);
    watch_timers();
    wait_for_slow_timer();
    time_out();
    watch_systick(CLKSOURCE, 4000U);
    watch_systick(0U, 4000U);
    change_clocks();
    sleep();
    DWT_CTRL &= ~1U;
    console_value("stands still", DWT_CYCCNT - DWT_CYCCNT);
    console_text("done\n");
    console_flush();
    return 0;
}
