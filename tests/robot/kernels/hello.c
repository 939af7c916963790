// Says hello on USART1, whose registers are those of RM0385, chapters 5.3.14 and 31.8.
#include <usim.h>

#define RCC_APB2ENR (*(volatile uint32_t *)0x40023844U)
#define USART1_CR1 (*(volatile uint32_t *)0x40011000U)
#define USART1_BRR (*(volatile uint32_t *)0x4001100CU)
#define USART1_ISR (*(volatile uint32_t *)0x4001101CU)
#define USART1_TDR (*(volatile uint32_t *)0x40011028U)

static void send(const char *text) {
    for (; *text != '\0'; text++) {
        while ((USART1_ISR & 0x80U) == 0U) {
        }
        USART1_TDR = (uint8_t)*text;
    }
}

int32_t hello(uint32_t times) {
    RCC_APB2ENR |= 1U << 4; /* USART1EN */
    USART1_BRR = 139U;      /* 115,200 baud from 16 MHz */
    USART1_CR1 = 0x9U;      /* UE, TE */
    for (uint32_t i = 0; i < times; i++) {
        send("Hello from the chip\r\n");
    }
    return 0;
}
