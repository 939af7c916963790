/* console.c - text out of USART1 (PA9), 115,200 baud, polled. */
#include "console.h"

#include "stm32f746.h"

void console_open(uint32_t clock_hz) {
    RCC_AHB1ENR |= AHB1ENR_GPIOA;
    RCC_APB2ENR |= APB2ENR_USART1;
    (void)RCC_APB2ENR; /* the clock is there two cycles behind the write (RM0385, 5.2.12) */
    GPIO_AFRH(GPIOA) = (GPIO_AFRH(GPIOA) & ~(0xFFU << 4)) | (0x77U << 4); /* PA9, PA10: AF7 */
    GPIO_MODER(GPIOA) = (GPIO_MODER(GPIOA) & ~(0xFU << 18)) | (0xAU << 18);
    USART1_CR1 = 0U;
    USART1_BRR = (clock_hz + 115200U / 2U) / 115200U;
    USART1_CR1 = CR1_ENABLED_BOTH_WAYS;
}

static void put(char character) {
    while ((USART1_ISR & ISR_TXE) == 0U) {
    }
    USART1_TDR = (uint8_t)character;
}

void console_text(const char *text) {
    while (*text != '\0') {
        put(*text++);
    }
}

void console_number(uint32_t value) {
    char digits[11];
    char *first = &digits[10];
    *first = '\0';
    do {
        *--first = (char)('0' + value % 10U);
        value /= 10U;
    } while (value != 0U);
    console_text(first);
}

void console_value(const char *name, uint32_t value) {
    console_text(name);
    put(' ');
    console_number(value);
    put('\n');
}

void console_flush(void) {
    while ((USART1_ISR & ISR_TC) == 0U) {
    }
}
