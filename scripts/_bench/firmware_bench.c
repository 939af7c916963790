/* firmware_bench.c - what the bench of firmware runs on the emulated chip; MODE says which.
 * Times are in core cycles: SysTick every 216,000 is 1 kHz at 216 MHz. */
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYST_CSR REGISTER(0xE000E010U)
#define SYST_RVR REGISTER(0xE000E014U)
#define SYST_CVR REGISTER(0xE000E018U)
#define DEMCR REGISTER(0xE000EDFCU)
#define DWT_CTRL REGISTER(0xE0001000U)
#define DWT_CYCCNT REGISTER(0xE0001004U)
#define DWT_LAR REGISTER(0xE0001FB0U)
#define RCC_APB2ENR REGISTER(0x40023844U)
#define RCC_APB1ENR REGISTER(0x40023840U)
#define TIM2_CR1 REGISTER(0x40000000U)
#define TIM2_CNT REGISTER(0x40000024U)
#define USART1_CR1 REGISTER(0x40011000U)
#define USART1_BRR REGISTER(0x4001100CU)
#define USART1_ISR REGISTER(0x4001101CU)
#define USART1_TDR REGISTER(0x40011028U)

enum {
    IDLE = 0,
    BUSY = 1,
    TICKING = 2,
    POLLING = 3,
    COUNTING = 4,
    CYCLES = 5,
    TIMER = 6,
    DELAY = 7
};

extern uint32_t stack_top[];
volatile uint32_t ticks, deviations, last, result;

void SysTick_Handler(void) {
    if (MODE == COUNTING) {
        const uint32_t now = DWT_CYCCNT;
        deviations += ticks != 0U && now - last != PERIOD;
        last = now;
    }
    ticks++;
}

static void start_ticking(void) {
    DEMCR |= 1U << 24;
    DWT_LAR = 0xC5ACCE55U;
    DWT_CTRL |= 1U;
    SYST_RVR = PERIOD - 1U;
    SYST_CVR = 0;
    SYST_CSR = 7U;
}

static void compute(void) {
    uint32_t state = 1;
    for (;;) {
        for (uint32_t i = 0; i < 1000U; i++) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
        }
        result = state;
    }
}

static void print(const char *text) {
    for (; *text != '\0'; text++) {
        while ((USART1_ISR & (1U << 7)) == 0U) {
        }
        USART1_TDR = (uint8_t)*text;
    }
}

/* As delays in microseconds do. */
__attribute__((noreturn)) static void wait_for(volatile uint32_t *counter) {
    for (;;) {
        const uint32_t begin = *counter;
        while (*counter - begin < PERIOD) {
        }
    }
}

__attribute__((noinline)) static uint32_t get_tick(void) {
    return ticks;
}

static void delay(uint32_t wait) {
    const uint32_t begin = get_tick();
    while (get_tick() - begin < wait) {
    }
}

__attribute__((noreturn)) void Reset_Handler(void) {
    if (MODE == POLLING) {
        RCC_APB2ENR |= 1U << 4;
        USART1_BRR = 139; /* 115,200 baud at 16 MHz */
        USART1_CR1 = 0xDU;
        for (;;) {
            print("The quick brown fox jumps over the lazy dog.\n");
        }
    }
    if (MODE != BUSY) {
        start_ticking();
    }
    if (MODE == BUSY || MODE == TICKING) {
        compute();
    }
    while (MODE == DELAY) {
        delay(10);
        result++;
    }
    if (MODE == CYCLES) {
        wait_for(&DWT_CYCCNT);
    }
    if (MODE == TIMER) {
        RCC_APB1ENR |= 1U;
        TIM2_CR1 = 1U;
        wait_for(&TIM2_CNT);
    }
    for (;;) {
        if (MODE == IDLE) {
            __asm volatile("wfi");
        }
    }
}

typedef void (*vector)(void);
__attribute__((section(".vectors"), used))
const vector vectors[16] = {(vector)stack_top, Reset_Handler, [15] = SysTick_Handler};
