/* clocks_agree.c - at 216 MHz: TIM2, SysTick and two USARTs, measured with the cycle counter. */
#include "clock.h"
#include "console.h"
#include "cycles.h"
#include "stm32f746.h"

enum { CORE_HZ = 216000000, SPINS = 50000, CEN = 1, UG = 1, BITS_24 = 0xFFFFFF, FRAMES = 8 };

typedef struct {
    uint32_t cycle, count;
} moment;

IN_ITCM static moment read_both(uint32_t counter) {
    moment now;
    now.cycle = DWT_CYCCNT;
    now.count = REGISTER(counter);
    return now;
}

IN_ITCM static void spin(void) {
    for (uint32_t i = 0; i < SPINS; i++) {
        __asm volatile("nop");
    }
}

static void tell(const char *name, uint32_t cycles, uint32_t ticks) {
    console_text(name);
    console_value(" cycles", cycles);
    console_text(name);
    console_value(" ticks", ticks);
}

static void measure_timer(const char *name, uint32_t prescaler) {
    TIM_PSC(TIM2) = prescaler - 1U;
    TIM_EGR(TIM2) = UG; /* the prescaler has its value from the update on */
    TIM_CR1(TIM2) = CEN;
    const moment begin = read_both(TIM2 + 0x24U);
    spin();
    const moment end = read_both(TIM2 + 0x24U);
    TIM_CR1(TIM2) = 0U;
    tell(name, end.cycle - begin.cycle, end.count - begin.count);
}

static void measure_systick(const char *name, uint32_t control) {
    SYST_RVR = BITS_24;
    SYST_CVR = 0U;
    SYST_CSR = control;
    spin(); /* zero has been left behind */
    const moment begin = read_both(0xE000E018U);
    spin();
    const moment end = read_both(0xE000E018U);
    SYST_CSR = 0U;
    tell(name, end.cycle - begin.cycle, begin.count - end.count);
}

IN_ITCM static void wait_until_set(uint32_t usart, uint32_t flag) {
    while ((USART_ISR(usart) & flag) == 0U) {
    }
}

/* Cycles from the start of a frame to that FRAMES later, without a gap in between. */
IN_ITCM static uint32_t cycles_of_frames(uint32_t usart) {
    USART_TDR(usart) = 'U';
    wait_until_set(usart, ISR_TXE);
    USART_TDR(usart) = 'U';
    wait_until_set(usart, ISR_TXE);
    const uint32_t begin = DWT_CYCCNT;
    for (uint32_t i = 0; i < FRAMES; i++) {
        USART_TDR(usart) = 'U';
        wait_until_set(usart, ISR_TXE);
    }
    const uint32_t cycles = DWT_CYCCNT - begin;
    wait_until_set(usart, ISR_TC);
    return cycles;
}

/* With OVER8, BRR[2:0] is the divider's lowest digit shifted right (RM0385 31.8.4). */
static uint32_t measure_usart(uint32_t usart, uint32_t divider, uint32_t over8) {
    USART_CR1(usart) = 0U;
    USART_BRR(usart) = over8 != 0U ? (divider & ~0xFU) | ((divider & 0xFU) >> 1) : divider;
    USART_CR1(usart) = over8 | CR1_ENABLED_BOTH_WAYS;
    const uint32_t cycles = cycles_of_frames(usart);
    USART_CR1(usart) = 0U;
    return cycles;
}

int main(void) {
    set_up_216_mhz();
    start_cycle_counter();
    RCC_APB1ENR |= APB1ENR_TIM2 | APB1ENR_USART2;
    RCC_APB2ENR |= APB2ENR_USART1;
    (void)RCC_APB2ENR;
    const uint32_t usart1 = measure_usart(USART1, 938U, 0U);
    const uint32_t usart1_over8 = measure_usart(USART1, 1874U, CR1_OVER8);
    const uint32_t usart2 = measure_usart(USART2, 469U, 0U);
    const uint32_t usart2_over8 = measure_usart(USART2, 936U, CR1_OVER8);
    console_open(CORE_HZ / 2U); /* APB2 */
    console_text("\n");
    console_value("usart1", usart1);
    console_value("usart1 over8", usart1_over8);
    console_value("usart2", usart2);
    console_value("usart2 over8", usart2_over8);
    measure_timer("tim2 /1", 1U);
    measure_timer("tim2 /10", 10U);
    RCC_DCKCFGR1 |= DCKCFGR1_TIMPRE;
    measure_timer("timpre tim2 /1", 1U);
    measure_timer("timpre tim2 /10", 10U);
    measure_systick("systick core", SYST_CORE_CLOCK);
    measure_systick("systick reference", SYST_REFERENCE_CLOCK);
    console_text("done\n");
    console_flush();
    return 0;
}
