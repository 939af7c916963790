/* waiting.c - ways to wait that firmware has, and what the core clock's counter says of each.
 *
 * A line a way: its name, and the ticks or cycles that it waited. Loops that change nothing but wait
 * for an event, loops that look as if they did and count something, and loops that ask a counter. */
#include "console.h"
#include "stm32f746.h"

enum { CEN = 1, UIF = 1, UG = 1, OPM = 1 << 3, TICKS = 4, COUNTFLAG = 1 << 16 };

static volatile uint32_t ticks, rounds;

void SysTick_Handler(void) {
    ticks++;
}

/* Calls and a stack frame, as with a driver library built without optimisation. */
__attribute__((noinline)) static uint32_t get_tick(void) {
    return ticks;
}

__attribute__((noinline, optnone)) static void delay(uint32_t wait) {
    const volatile uint32_t start = get_tick();
    while (get_tick() - start < wait) {
    }
}

static void wait_and_count(void) {
    const uint32_t start = ticks;
    uint32_t in_register = 0;
    rounds = 0U;
    while (ticks - start < TICKS) {
        in_register++;
    }
    console_value("counted in a register", in_register);
    const uint32_t again = ticks;
    while (ticks - again < TICKS) {
        rounds++;
    }
    console_value("counted in memory", rounds);
}

static void wait_and_add_floats(void) {
    const uint32_t start = ticks;
    float sum = 0.0F;
    while (ticks - start < TICKS) {
        __asm volatile("vadd.f32 %0, %0, %1" : "+t"(sum) : "t"(1.0F));
    }
    console_value("counted in a float", (uint32_t)sum);
}

/* A timer whose prescaler lets CNT stand still for thousands of cycles. */
static void wait_for_slow_counter(void) {
    TIM_PSC(TIM2) = 20000U - 1U;
    TIM_EGR(TIM2) = UG;
    TIM_CR1(TIM2) = CEN;
    const uint32_t first = TIM_CNT(TIM2);
    while (TIM_CNT(TIM2) == first) {
    }
    const uint32_t begin = DWT_CYCCNT;
    while (TIM_CNT(TIM2) < first + 1U + TICKS) {
    }
    console_value("a slow counter", DWT_CYCCNT - begin);
    TIM_CR1(TIM2) = 0U;
}

/* One pulse, whose end nobody is told of: UIF is set already. */
static void wait_for_one_pulse(void) {
    TIM_PSC(TIM2) = 0U;
    TIM_ARR(TIM2) = 50000U;
    TIM_EGR(TIM2) = UG;
    const uint32_t begin = DWT_CYCCNT;
    TIM_CR1(TIM2) = CEN | OPM;
    while ((TIM_CR1(TIM2) & CEN) != 0U) {
    }
    console_value("one pulse", DWT_CYCCNT - begin);
}

static void wait_for_flags(void) {
    (void)SYST_CSR; /* clears the flag of long ago */
    while ((SYST_CSR & COUNTFLAG) == 0U) {
    }
    const uint32_t begin = DWT_CYCCNT;
    for (uint32_t i = 0; i < TICKS; i++) {
        while ((SYST_CSR & COUNTFLAG) == 0U) {
        }
    }
    console_value("flags of SysTick", DWT_CYCCNT - begin);
}

int main(void) {
    console_open(HSI_HZ);
    RCC_APB1ENR |= APB1ENR_TIM2;
    (void)RCC_APB1ENR;
    DCB_DEMCR |= DEMCR_TRCENA;
    DWT_LAR = 0xC5ACCE55U;
    DWT_CTRL |= 1U;
    SYST_RVR = HSI_HZ / 1000U - 1U;
    SYST_CVR = 0U;
    SYST_CSR = SYST_RUN;
    delay(1U);
    const uint32_t begin = DWT_CYCCNT;
    delay(TICKS);
    console_value("a tick in memory", DWT_CYCCNT - begin);
    wait_and_count();
    wait_and_add_floats();
    wait_for_slow_counter();
    wait_for_one_pulse();
    wait_for_flags();
    console_text("done\n");
    console_flush();
    for (;;) {
        wait_for_interrupt();
    }
}
