/* hello_newlib.c - the C library on the chip: printf, floats, malloc, files of the host, the exit
 * code.
 *
 * Built with --specs=rdimon.specs: newlib's system calls are semihosting, `bkpt 0xAB`. Its own
 * start-up code (_start) zeroes .bss, sets up the heap and calls main; the reset handler only
 * enables the FPU. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern uint32_t stack_top[];
void _start(void);

__attribute__((noreturn)) void Reset_Handler(void) {
    *(volatile uint32_t *)0xE000ED88U |= 0xFU << 20; /* CPACR: CP10 and CP11 */
    __asm volatile("dsb\n isb" ::: "memory");
    _start();
    for (;;) {
    }
}

__attribute__((section(".isr_vector"), used)) void (*const vectors[16])(void) = {
    (void (*)(void))stack_top,
    Reset_Handler,
};

static int by_value(const void *left, const void *right) {
    return *(const int *)left - *(const int *)right;
}

int main(int argc, char **argv) {
    (void)argv;
    printf("hello, %s\n", "newlib");
    printf("argc %s, pi %.4f, %5d|%-5d|%05u\n", argc >= 0 ? "fine" : "bad", 3.14159265, -42, 7,
           99U);
    int *const numbers = malloc(1000 * sizeof *numbers);
    if (numbers == NULL) {
        fprintf(stderr, "no memory\n");
        return 1;
    }
    for (int i = 0; i < 1000; i++) {
        numbers[i] = (i * 7919) % 1000;
    }
    qsort(numbers, 1000, sizeof *numbers, by_value);
    printf("sorted: %d %d %d\n", numbers[0], numbers[500], numbers[999]);
    free(numbers);
    char text[32];
    (void)snprintf(text, sizeof text, "%08lx", strtoul("3735928559", NULL, 10));
    printf("%s %s\n", text, strcmp(text, "deadbeef") == 0 ? "equal" : "different");
    return 7;
}
