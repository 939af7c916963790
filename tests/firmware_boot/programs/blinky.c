/* blinky.c - the blue LED of a Nucleo-144 (PB7) changes every 100 ms; SysTick counts milliseconds.
 */
#include "stm32f746.h"

enum { LED = 7, PERIOD_MS = 100 };

static volatile uint32_t milliseconds;

void SysTick_Handler(void) {
    milliseconds++;
}

int main(void) {
    RCC_AHB1ENR |= AHB1ENR_GPIOB;
    (void)RCC_AHB1ENR;
    GPIO_MODER(GPIOB) = (GPIO_MODER(GPIOB) & ~(3U << (2 * LED))) | (1U << (2 * LED));
    SYST_RVR = HSI_HZ / 1000U - 1U;
    SYST_CVR = 0U;
    SYST_CSR = SYST_RUN;
    for (uint32_t next = PERIOD_MS;; next += PERIOD_MS) {
        while (milliseconds < next) {
            wait_for_interrupt();
        }
        GPIO_BSRR(GPIOB) = (GPIO_ODR(GPIOB) & (1U << LED)) != 0U ? 1U << (LED + 16) : 1U << LED;
    }
}
