/* chip.h - the registers that the test programs use (RM0385: 3.7, 5.3, 31.8). */
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RCC_CR REGISTER(0x40023800U)
#define RCC_APB2ENR REGISTER(0x40023844U)
#define USART1_CR1 REGISTER(0x40011000U)
#define USART1_BRR REGISTER(0x4001100CU)
#define USART1_ISR REGISTER(0x4001101CU)
#define USART1_RDR REGISTER(0x40011024U)
#define USART1_TDR REGISTER(0x40011028U)
#define FLASH_KEYR REGISTER(0x40023C04U)
#define FLASH_SR REGISTER(0x40023C0CU)
#define FLASH_CR REGISTER(0x40023C10U)

#define RXNE (1U << 5)
#define TXE (1U << 7)

static inline void open_usart(void) {
    RCC_APB2ENR |= 1U << 4;
    USART1_BRR = 139U; /* 115,200 baud at 16 MHz */
    USART1_CR1 = 0xDU; /* UE, RE, TE */
}

static inline void send(char byte) {
    while ((USART1_ISR & TXE) == 0U) {
    }
    USART1_TDR = (uint8_t)byte;
}

static inline void send_text(const char *text) {
    while (*text != '\0') {
        send(*text++);
    }
}
