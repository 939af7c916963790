/* newlib.c - a program as people write it: printf by newlib, retargeted to USART1. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uart.h"

extern uint32_t _sidata, _sdata, _edata, _sbss, _ebss, _estack;
extern char end;
void __libc_init_array(void);
int main(void);

int _write(int file, const char *data, int length) {
    (void)file;
    for (int i = 0; i < length; i++) {
        put(USART1, data[i]);
    }
    return length;
}

int _read(int file, char *data, int length) {
    (void)file;
    if (length < 1) {
        return 0;
    }
    data[0] = get(USART1);
    return 1;
}

void *_sbrk(int increment) {
    static char *heap = &end;
    char *const before = heap;
    heap += increment;
    return before;
}

void Reset_Handler(void) {
    REGISTER(0xE000ED88U) |= 0xFU << 20; /* CPACR: the FPU on, as CMSIS' SystemInit does it */
    memcpy(&_sdata, &_sidata, (size_t)((char *)&_edata - (char *)&_sdata));
    memset(&_sbss, 0, (size_t)((char *)&_ebss - (char *)&_sbss));
    __libc_init_array();
    exit(main());
}

void Default_Handler(void) {
    for (;;) {
    }
}

void _exit(int code) {
    const uint32_t block[2] = {0x20026U, (uint32_t)code};
    register int r0 __asm("r0") = 0x20;
    register const uint32_t *r1 __asm("r1") = block;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    for (;;) {
    }
}

__attribute__((section(".isr_vector"), used)) void (*const g_pfnVectors[16])(void) = {
    (void (*)(void)) & _estack, Reset_Handler,   Default_Handler, Default_Handler,
    Default_Handler,           Default_Handler, Default_Handler, Default_Handler,
    Default_Handler,           Default_Handler, Default_Handler, Default_Handler,
    Default_Handler,           Default_Handler, Default_Handler, Default_Handler,
};

int main(void) {
    char name[32];
    open_usart(USART1);
    setvbuf(stdin, NULL, _IONBF, 0);
    printf("name? ");
    fflush(stdout);
    if (scanf("%31s", name) != 1) {
        return 1;
    }
    char *copy = strdup(name);
    printf("hello %s, %d %#x %.3f\n", copy, -42, 48879U, (double)1.5F);
    free(copy);
    return (int)strlen(name);
}
