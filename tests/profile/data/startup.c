#include <stdint.h>

extern uint32_t _sidata, _sdata, _edata, _sbss, _ebss, _estack;
int main(void);
void Reset_Handler(void);
void Default_Handler(void);

__attribute__((noinline)) static int semihosting(int operation, const void *argument) {
    register int r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void print(const char *text) {
    (void)semihosting(4, text);
}

_Noreturn void leave(int code) {
    const uint32_t block[2] = {0x20026u, (uint32_t)code};
    (void)semihosting(0x20, block);
    for (;;) {
    }
}

void Reset_Handler(void) {
    const uint32_t *from = &_sidata;
    for (uint32_t *to = &_sdata; to < &_edata;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &_sbss; to < &_ebss;) {
        *to++ = 0;
    }
    leave(main());
}

void Default_Handler(void) {
    for (;;) {
    }
}

__attribute__((section(".isr_vector"), used)) void (*const vectors[16])(void) = {
    (void (*)(void)) & _estack, Reset_Handler,   Default_Handler, Default_Handler,
    Default_Handler,           Default_Handler, Default_Handler, Default_Handler,
    Default_Handler,           Default_Handler, Default_Handler, Default_Handler,
    Default_Handler,           Default_Handler, Default_Handler, Default_Handler,
};
