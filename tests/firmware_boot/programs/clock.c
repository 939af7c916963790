/* clock.c - from the 16 MHz HSI to 216 MHz: RM0385 5.2.3 PLL, 4.1.4 over-drive, 3.3.2 wait
 * states. */
#include "clock.h"

#include "stm32f746.h"

/* 16 MHz / 8 * 216 / 2; the 48 MHz domain gets 432 MHz / 9. */
void set_up_216_mhz(void) {
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
