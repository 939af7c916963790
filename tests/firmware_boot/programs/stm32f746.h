/* stm32f746.h - the registers that these programs use (RM0385; Armv7-M manual for the core's). */
#ifndef STM32F746_H
#define STM32F746_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Core: system control block, SysTick, NVIC, cycle counter, caches. */
#define SCB_ICSR REGISTER(0xE000ED04U)
#define ICSR_PENDSVSET (1U << 28)
#define SCB_VTOR REGISTER(0xE000ED08U)
#define SCB_CCR REGISTER(0xE000ED14U)
#define CCR_DC (1U << 16)
#define CCR_IC (1U << 17)
#define SCB_SHPR3 REGISTER(0xE000ED20U)
#define SCB_CPACR REGISTER(0xE000ED88U)
#define CPACR_FPU (0xFU << 20)
#define SCB_CCSIDR REGISTER(0xE000ED80U)
#define SCB_CSSELR REGISTER(0xE000ED84U)
#define SCB_ICIALLU REGISTER(0xE000EF50U)
#define SCB_DCISW REGISTER(0xE000EF60U)
#define SYST_CSR REGISTER(0xE000E010U)
#define SYST_RVR REGISTER(0xE000E014U)
#define SYST_CVR REGISTER(0xE000E018U)
#define SYST_RUN 7U             /* core clock, interrupt, enabled */
#define SYST_REFERENCE_CLOCK 1U /* HCLK / 8, no interrupt, enabled */
#define SYST_CORE_CLOCK 5U      /* HCLK, no interrupt, enabled */
#define NVIC_ISPR(n) REGISTER(0xE000E200U + 4U * (n))
#define NVIC_ISER(n) REGISTER(0xE000E100U + 4U * (n))
#define DCB_DEMCR REGISTER(0xE000EDFCU)
#define DEMCR_TRCENA (1U << 24)
#define DWT_CTRL REGISTER(0xE0001000U)
#define DWT_CYCCNT REGISTER(0xE0001004U)
#define DWT_LAR REGISTER(0xE0001FB0U)

/* 3.7 flash interface. */
#define FLASH_ACR REGISTER(0x40023C00U)
#define ACR_PRFTEN (1U << 8)
#define ACR_ARTEN (1U << 9)
#define ACR_ARTRST (1U << 11)
#define FLASH_AXI 0x08000000U
#define FLASH_ITCM 0x00200000U /* the same on the ITCM bus, behind the ART accelerator */

/* 4.4 power controller. */
#define PWR_CR1 REGISTER(0x40007000U)
#define PWR_CSR1 REGISTER(0x40007004U)
#define CR1_VOS_SCALE_1 (3U << 14)
#define CR1_ODEN (1U << 16)
#define CR1_ODSWEN (1U << 17)
#define CSR1_ODRDY (1U << 16)
#define CSR1_ODSWRDY (1U << 17)

/* 5.3 reset and clock control. */
#define RCC_CR REGISTER(0x40023800U)
#define CR_PLLON (1U << 24)
#define CR_PLLRDY (1U << 25)
#define RCC_PLLCFGR REGISTER(0x40023804U)
#define RCC_CFGR REGISTER(0x40023808U)
#define RCC_AHB1ENR REGISTER(0x40023830U)
#define AHB1ENR_GPIOA (1U << 0)
#define AHB1ENR_GPIOB (1U << 1)
#define RCC_APB1ENR REGISTER(0x40023840U)
#define APB1ENR_TIM2 (1U << 0)
#define APB1ENR_TIM5 (1U << 3)
#define APB1ENR_USART2 (1U << 17)
#define APB1ENR_PWR (1U << 28)
#define RCC_APB2ENR REGISTER(0x40023844U)
#define APB2ENR_USART1 (1U << 4)
#define RCC_DCKCFGR1 REGISTER(0x4002388CU)
#define DCKCFGR1_TIMPRE (1U << 24)

/* 6.4 general-purpose I/O; ports are 0x400 apart. */
#define GPIOA 0x40020000U
#define GPIOB 0x40020400U
#define GPIO_MODER(port) REGISTER((port) + 0x00U)
#define GPIO_ODR(port) REGISTER((port) + 0x14U)
#define GPIO_BSRR(port) REGISTER((port) + 0x18U)
#define GPIO_AFRL(port) REGISTER((port) + 0x20U)
#define GPIO_AFRH(port) REGISTER((port) + 0x24U)

/* 11.9 external interrupts. */
#define EXTI_IMR REGISTER(0x40013C00U)
#define EXTI_SWIER REGISTER(0x40013C10U)
#define EXTI_PR REGISTER(0x40013C14U)
#define EXTI0_IRQ 6U

/* 23.4 general-purpose timers. */
#define TIM2 0x40000000U
#define TIM5 0x40000C00U
#define TIM_CR1(timer) REGISTER((timer) + 0x00U)
#define TIM_DIER(timer) REGISTER((timer) + 0x0CU)
#define TIM_SR(timer) REGISTER((timer) + 0x10U)
#define TIM_EGR(timer) REGISTER((timer) + 0x14U)
#define TIM_CNT(timer) REGISTER((timer) + 0x24U)
#define TIM_PSC(timer) REGISTER((timer) + 0x28U)
#define TIM_ARR(timer) REGISTER((timer) + 0x2CU)
#define TIM2_IRQ 28U

/* 31.8 USART. */
#define USART1 0x40011000U
#define USART2 0x40004400U
#define USART_CR1(usart) REGISTER((usart) + 0x00U)
#define USART_BRR(usart) REGISTER((usart) + 0x0CU)
#define USART_ISR(usart) REGISTER((usart) + 0x1CU)
#define USART_TDR(usart) REGISTER((usart) + 0x28U)
#define USART1_CR1 USART_CR1(USART1)
#define CR1_ENABLED_BOTH_WAYS 0xDU /* UE, RE, TE */
#define CR1_RXNEIE (1U << 5)
#define CR1_TXEIE (1U << 7)
#define CR1_OVER8 (1U << 15)
#define USART1_BRR USART_BRR(USART1)
#define USART1_ISR USART_ISR(USART1)
#define ISR_RXNE (1U << 5)
#define ISR_TC (1U << 6)
#define ISR_TXE (1U << 7)
#define USART1_RDR REGISTER(0x40011024U)
#define USART1_TDR USART_TDR(USART1)
#define USART1_IRQ 37U

#define HSI_HZ 16000000U /* the clock after reset */

static inline void enable_interrupt(uint32_t number) {
    NVIC_ISER(number / 32U) = 1U << (number % 32U);
}

/* Sleeps until an interrupt comes; its handler has run then. */
static inline void wait_for_interrupt(void) {
    __asm volatile("wfi" ::: "memory");
}

#endif
