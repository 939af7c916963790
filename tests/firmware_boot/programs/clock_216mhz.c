/* clock_216mhz.c - from the 16 MHz HSI to 216 MHz, with over-drive, wait states, ART and caches.
 *
 * RM0385: 5.2.3 PLL, 4.1.4 over-drive, 3.3.2 wait states. SysTick and the cycle counter then
 * measure one another. */
#include "console.h"
#include "stm32f746.h"

enum { CORE_MHZ = 216, TICKS = 10 };

static volatile uint32_t ticks;

void SysTick_Handler(void) {
    ticks++;
}

/* 16 MHz / 8 * 216 / 2; the 48 MHz domain gets 432 MHz / 9. */
static void set_up_clock(void) {
    RCC_APB1ENR |= APB1ENR_PWR;
    (void)RCC_APB1ENR;
    PWR_CR1 |= CR1_VOS_SCALE_1; /* while the PLL is off */
    RCC_PLLCFGR = 8U | (216U << 6) | (0U << 16) | (9U << 24);
    RCC_CR |= CR_PLLON;
    PWR_CR1 |= CR1_ODEN;
    while ((PWR_CSR1 & CSR1_ODRDY) == 0U) {
    }
    PWR_CR1 |= CR1_ODSWEN;
    while ((PWR_CSR1 & CSR1_ODSWRDY) == 0U) {
    }
    while ((RCC_CR & CR_PLLRDY) == 0U) {
    }
    FLASH_ACR = ACR_ARTEN | ACR_PRFTEN | 7U; /* before the clock is fast */
    while ((FLASH_ACR & 0xFU) != 7U) {
    }
    RCC_CFGR = (5U << 10) | (4U << 13); /* APB1 a quarter, APB2 a half */
    RCC_CFGR |= 2U;
    while (((RCC_CFGR >> 2) & 3U) != 2U) {
    }
}

/* Caches have to be invalidated before they are switched on (B2.2.8); the data cache by set and
 * way. */
static void switch_on_caches(void) {
    SCB_ICIALLU = 0U;
    __asm volatile("dsb\n isb" ::: "memory");
    SCB_CCR |= CCR_IC;
    SCB_CSSELR = 0U;
    __asm volatile("dsb" ::: "memory");
    const uint32_t sets = (SCB_CCSIDR >> 13) & 0x7FFFU;
    const uint32_t ways = (SCB_CCSIDR >> 3) & 0x3FFU;
    for (uint32_t set = 0; set <= sets; set++) {
        for (uint32_t way = 0; way <= ways; way++) {
            SCB_DCISW = (way << 30) | (set << 5);
        }
    }
    __asm volatile("dsb" ::: "memory");
    SCB_CCR |= CCR_DC;
    __asm volatile("dsb\n isb" ::: "memory");
}

static void start_cycle_counter(void) {
    DCB_DEMCR |= DEMCR_TRCENA;
    DWT_LAR = 0xC5ACCE55U;
    DWT_CYCCNT = 0U;
    DWT_CTRL |= 1U;
}

int main(void) {
    set_up_clock();
    switch_on_caches();
    start_cycle_counter();
    console_open(CORE_MHZ * 1000000U / 2U);
    SYST_RVR = CORE_MHZ * 1000U - 1U;
    SYST_CVR = 0U;
    SYST_CSR = SYST_RUN;
    while (ticks == 0U) {
    }
    const uint32_t begin = DWT_CYCCNT;
    while (ticks < 1U + TICKS) {
    }
    const uint32_t cycles = DWT_CYCCNT - begin;
    SYST_CSR = 0U;
    console_value("CFGR.SWS", (RCC_CFGR >> 2) & 3U);
    console_value("wait states", FLASH_ACR & 0xFU);
    console_value("kilocycles in 10 ticks", (cycles + 500U) / 1000U);
    console_text("done\n");
    console_flush();
    return 0;
}
