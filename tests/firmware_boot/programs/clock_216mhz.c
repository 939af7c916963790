/* clock_216mhz.c - from the 16 MHz HSI to 216 MHz, with over-drive, wait states, ART and caches.
 *
 * SysTick and the cycle counter then measure one another. */
#include "caches.h"
#include "clock.h"
#include "console.h"
#include "cycles.h"
#include "stm32f746.h"

enum { CORE_MHZ = 216, TICKS = 10 };

static volatile uint32_t ticks;

void SysTick_Handler(void) {
    ticks++;
}

int main(void) {
    set_up_216_mhz();
    caches_enable(CCR_IC | CCR_DC);
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
