/* timer.c - TIM2 interrupts every millisecond; TIM5, which runs freely, tells how exact that is. */
#include "console.h"
#include "stm32f746.h"

enum { PERIOD = HSI_HZ / 1000U, UPDATES = 10, UIF = 1, CEN = 1, UG = 1 };

static volatile uint32_t updates;
static uint32_t came_at[UPDATES];

void TIM2_IRQHandler(void) {
    const uint32_t now = TIM_CNT(TIM5);
    TIM_SR(TIM2) = ~(uint32_t)UIF;
    if (updates < UPDATES) {
        came_at[updates++] = now;
    }
}

int main(void) {
    console_open(HSI_HZ);
    RCC_APB1ENR |= APB1ENR_TIM2 | APB1ENR_TIM5;
    (void)RCC_APB1ENR;
    TIM_CR1(TIM5) = CEN; /* all of its 32 bits, at the timers' clock */
    TIM_PSC(TIM2) = 0U;
    TIM_ARR(TIM2) = PERIOD - 1U;
    TIM_EGR(TIM2) = UG; /* the prescaler has its value from the next update on: make one */
    TIM_SR(TIM2) = 0U;
    TIM_DIER(TIM2) = UIF;
    enable_interrupt(TIM2_IRQ);
    TIM_CR1(TIM2) = CEN;
    while (updates < UPDATES) {
        wait_for_interrupt();
    }
    TIM_CR1(TIM2) = 0U;
    uint32_t shortest = UINT32_MAX, longest = 0U;
    for (uint32_t i = 1; i < UPDATES; i++) {
        const uint32_t period = came_at[i] - came_at[i - 1U];
        shortest = period < shortest ? period : shortest;
        longest = period > longest ? period : longest;
    }
    console_value("shortest", shortest);
    console_value("longest", longest);
    console_value("nine periods", came_at[UPDATES - 1] - came_at[0]);
    console_text("done\n");
    console_flush();
    return 0;
}
