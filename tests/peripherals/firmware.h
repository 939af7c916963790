/* firmware.h - what the programs with interrupts share: a vector table in RAM, the cycle counter,
 * and numbers by semihosting ("name value", for firmware_runs.py). */
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CYCCNT REGISTER(0xE0001004U)
#define RCC_AHB1ENR REGISTER(0x40023830U)
#define RCC_APB1ENR REGISTER(0x40023840U)
#define RCC_APB2ENR REGISTER(0x40023844U)
#define RCC_BDCR REGISTER(0x40023870U)
#define RCC_CSR REGISTER(0x40023874U)
#define RCC_DCKCFGR2 REGISTER(0x40023890U)
#define PWR_CR1 REGISTER(0x40007000U)
#define EXTI_IMR REGISTER(0x40013C00U)
#define EXTI_RTSR REGISTER(0x40013C08U)
#define EXTI_PR REGISTER(0x40013C14U)

void print(const char *text);
extern void (*const vectors[16])(void);
static void (*table[16 + 98])(void) __attribute__((aligned(512)));

static inline void count_cycles(void) {
    REGISTER(0xE000EDFCU) |= 1U << 24; /* DEMCR.TRCENA */
    REGISTER(0xE0001FB0U) = 0xC5ACCE55U;
    CYCCNT = 0U;
    REGISTER(0xE0001000U) |= 1U; /* CYCCNTENA */
}

/* Have an interrupt handled; the core's own exceptions stay as they are. */
static inline void handle(uint32_t interrupt, void (*handler)(void)) {
    for (uint32_t i = 0; i < 16U; i++) {
        table[i] = vectors[i];
    }
    table[16U + interrupt] = handler;
    REGISTER(0xE000ED08U) = (uint32_t)(uintptr_t)table;
    REGISTER(0xE000E100U + 4U * (interrupt / 32U)) = 1U << (interrupt % 32U);
}

static inline void sleep(void) {
    __asm volatile("wfi" ::: "memory");
}

static inline void tell(const char *name, uint32_t value) {
    char digits[11];
    uint32_t at = 10U;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + value % 10U);
        value /= 10U;
    } while (value != 0U);
    print(name);
    print(" ");
    print(&digits[at]);
    print("\n");
}
