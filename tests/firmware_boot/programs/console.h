/* console.h - text out of USART1 (PA9), 115,200 baud, polled. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdint.h>

/* `clock_hz` is the clock of APB2, that of the core after reset. */
void console_open(uint32_t clock_hz);
void console_text(const char *text);
void console_number(uint32_t value);
/* "name value\n" */
void console_value(const char *name, uint32_t value);
/* Until the last bit has left the pin. */
void console_flush(void);

#endif
