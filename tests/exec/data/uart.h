/* uart.h - registers and a polled USART1 for the test programs (RM0385: 5.3, 31.8). */
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define USART1 0x40011000U
#define USART3 0x40004800U

static inline void open_usart(uint32_t base) {
    if (base == USART1) {
        REGISTER(0x40023844U) |= 1U << 4;
    } else {
        REGISTER(0x40023840U) |= 1U << 18;
    }
    REGISTER(base + 0x0CU) = 139U; /* 115,200 baud at 16 MHz */
    REGISTER(base) = 0xDU;         /* UE, RE, TE */
}

static inline void put(uint32_t base, char byte) {
    while ((REGISTER(base + 0x1CU) & (1U << 7)) == 0U) {
    }
    REGISTER(base + 0x28U) = (uint8_t)byte;
}

static inline void say(uint32_t base, const char *text) {
    while (*text != '\0') {
        put(base, *text++);
    }
}

static inline char get(uint32_t base) {
    while ((REGISTER(base + 0x1CU) & (1U << 5)) == 0U) {
    }
    return (char)REGISTER(base + 0x24U);
}
