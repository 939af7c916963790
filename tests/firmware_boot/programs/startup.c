/* startup.c - the vector table of an STM32F746, and what runs before main.
 *
 * A handler is a function with the name that CMSIS gives it (SysTick_Handler, USART1_IRQHandler).
 * Those that a program does not define stop in unexpected_exception. */
#include "stm32f746.h"

extern uint32_t data_source[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern uint32_t itcm_source[], itcm_start[], itcm_end[];
int main(void);

void unexpected_exception(void) {
    for (;;) {
    }
}

#define HANDLER(name) void name(void) __attribute__((weak, alias("unexpected_exception")))
HANDLER(NMI_Handler);
HANDLER(HardFault_Handler);
HANDLER(MemManage_Handler);
HANDLER(BusFault_Handler);
HANDLER(UsageFault_Handler);
HANDLER(SVC_Handler);
HANDLER(DebugMon_Handler);
HANDLER(PendSV_Handler);
HANDLER(SysTick_Handler);
HANDLER(EXTI0_IRQHandler);
HANDLER(TIM2_IRQHandler);
HANDLER(USART1_IRQHandler);

static void copy(uint32_t *to, const uint32_t *end, const uint32_t *from) {
    while (to < end) {
        *to++ = *from++;
    }
}

__attribute__((noreturn)) void Reset_Handler(void) {
    /* Before the first function that may keep a value in a floating-point register. */
    SCB_CPACR |= CPACR_FPU;
    __asm volatile("dsb\n isb" ::: "memory");
    copy(data_start, data_end, data_source);
    copy(itcm_start, itcm_end, itcm_source);
    for (uint32_t *word = bss_start; word < bss_end;) {
        *word++ = 0U;
    }
    (void)main();
    for (;;) {
        wait_for_interrupt();
    }
}

typedef void (*vector)(void);
__attribute__((section(".isr_vector"), used)) const vector vectors[16 + 98] = {
    (vector)stack_top,
    Reset_Handler,
    NMI_Handler,
    HardFault_Handler,
    MemManage_Handler,
    BusFault_Handler,
    UsageFault_Handler,
    [11] = SVC_Handler,
    [12] = DebugMon_Handler,
    [14] = PendSV_Handler,
    [15] = SysTick_Handler,
    [16 + EXTI0_IRQ] = EXTI0_IRQHandler,
    [16 + TIM2_IRQ] = TIM2_IRQHandler,
    [16 + USART1_IRQ] = USART1_IRQHandler,
};
