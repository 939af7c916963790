/* usart_echo.c - USART1 sends back what it receives, in upper case, by interrupt; main only sleeps.
 *
 * A ring buffer lies between the two directions: the handler is the only one to touch it. */
#include "console.h"
#include "stm32f746.h"

enum { RING = 64 };

static uint8_t ring[RING];
static uint32_t written, read;

void USART1_IRQHandler(void) {
    const uint32_t status = USART1_ISR;
    if ((status & ISR_RXNE) != 0U) {
        const uint8_t byte = (uint8_t)USART1_RDR; /* which clears RXNE */
        if (written - read < RING) {
            ring[written++ % RING] = byte;
        }
        USART1_CR1 |= CR1_TXEIE;
    }
    if ((status & ISR_TXE) != 0U && (USART1_CR1 & CR1_TXEIE) != 0U) {
        if (read != written) {
            const uint8_t byte = ring[read++ % RING];
            USART1_TDR = byte >= 'a' && byte <= 'z' ? byte - 32U : byte;
        } else {
            USART1_CR1 &= ~CR1_TXEIE; /* nothing to send: the interrupt would come at once */
        }
    }
}

int main(void) {
    console_open(HSI_HZ);
    console_text("echo\n");
    USART1_CR1 |= CR1_RXNEIE;
    enable_interrupt(USART1_IRQ);
    for (;;) {
        wait_for_interrupt();
    }
}
