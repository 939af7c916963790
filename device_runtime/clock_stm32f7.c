/*
 * clock_stm32f7.c - HSI -> PLL -> 216 MHz, for boards: after reset the core runs from the 16 MHz
 * HSI. RM0385 and RM0410: 3.3 (flash latency), 4.1 ("Entering Over-drive mode"), 5.2 and 5.3 (RCC).
 * The HSI needs nothing from the board; its 1 % is no worse for counting cycles.
 */
#include "registers.h"
#include "runtime.h"

#define RCC_CR USIM_REGISTER(0x40023800U)
#define RCC_CR_HSION (1U << 0)
#define RCC_CR_HSIRDY (1U << 1)
#define RCC_CR_PLLON (1U << 24)
#define RCC_CR_PLLRDY (1U << 25)
#define RCC_PLLCFGR USIM_REGISTER(0x40023804U)
#define RCC_CFGR USIM_REGISTER(0x40023808U)
#define RCC_CFGR_SW 0x3U
#define RCC_CFGR_SW_PLL 0x2U
#define RCC_CFGR_SWS 0xCU
#define RCC_CFGR_SWS_PLL 0x8U
#define RCC_APB1ENR USIM_REGISTER(0x40023840U)
#define RCC_APB1ENR_PWREN (1U << 28)

#define PWR_CR1 USIM_REGISTER(0x40007000U)
#define PWR_CR1_VOS (3U << 14) /* scale 1, the reset value */
#define PWR_CR1_ODEN (1U << 16)
#define PWR_CR1_ODSWEN (1U << 17)
#define PWR_CSR1 USIM_REGISTER(0x40007004U)
#define PWR_CSR1_VOSRDY (1U << 14)
#define PWR_CSR1_ODRDY (1U << 16)
#define PWR_CSR1_ODSWRDY (1U << 17)

#define FLASH_ACR USIM_REGISTER(0x40023C00U)
#define FLASH_ACR_PRFTEN (1U << 8)
#define FLASH_ACR_ARTEN (1U << 9)
#define FLASH_ACR_ARTRST (1U << 11)
#define FLASH_ACR_LATENCY 0xFU

/* 7 wait states are right for 210 to 216 MHz at 2.7 V to 3.6 V (3.3.2, table). */
#define WAIT_STATES 7U
#define FLASH_ACR_WANTED (FLASH_ACR_PRFTEN | FLASH_ACR_ARTEN | WAIT_STATES)

/* HSI / 8 = 2 MHz into the VCO, * 216 = 432 MHz out of it, / 2 = 216 MHz; / 9 = 48 MHz for USB.
   Bits 28-31 keep their reset value. */
#define PLL_M 8U
#define PLL_N 216U
#define PLL_P_2 0U
#define PLL_Q 9U
#define PLLCFGR_WANTED (0x20000000U | (PLL_Q << 24) | (PLL_P_2 << 16) | (PLL_N << 6) | PLL_M)

/* AHB / 1 = 216 MHz, APB1 / 4 = 54 MHz and APB2 / 2 = 108 MHz, their limits. */
#define PRESCALERS ((5U << 10) | (4U << 13))
#define PRESCALER_BITS ((0xFU << 4) | (7U << 10) | (7U << 13))

/* Each step takes less than a millisecond (datasheet: PLL lock time 300 us); this many looks take
   over 30 ms at 16 MHz. */
#define LOOKS 100000U

usim_clock_t usim_clock;

/* Wait until the bits of `mask` read as `wanted`; 0 if they never do. */
static uint32_t wait_for(volatile const uint32_t *address, uint32_t mask, uint32_t wanted) {
    for (uint32_t look = 0; look < LOOKS; look++) {
        if ((*address & mask) == wanted) {
            return 1;
        }
    }
    return 0;
}

/* The core on the HSI and the PLL off, wherever a debugger's script or a boot loader left them. */
static uint32_t fall_back_to_hsi(void) {
    RCC_CR |= RCC_CR_HSION;
    if (wait_for(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY) == 0U) {
        return USIM_CLOCK_HSI;
    }
    RCC_CFGR &= ~RCC_CFGR_SW;
    if (wait_for(&RCC_CFGR, RCC_CFGR_SWS, 0U) == 0U) {
        return USIM_CLOCK_HSI;
    }
    RCC_CR &= ~RCC_CR_PLLON;
    return wait_for(&RCC_CR, RCC_CR_PLLRDY, 0U) != 0U ? USIM_CLOCK_READY : USIM_CLOCK_PLL_OFF;
}

/* 216 MHz need voltage scale 1 and over-drive, which is entered while the PLL is on. */
static uint32_t raise_voltage(void) {
    PWR_CR1 |= PWR_CR1_ODEN;
    if (wait_for(&PWR_CSR1, PWR_CSR1_ODRDY, PWR_CSR1_ODRDY) == 0U) {
        return USIM_CLOCK_OVER_DRIVE;
    }
    PWR_CR1 |= PWR_CR1_ODSWEN;
    if (wait_for(&PWR_CSR1, PWR_CSR1_ODSWRDY, PWR_CSR1_ODSWRDY) == 0U) {
        return USIM_CLOCK_OVER_DRIVE;
    }
    return USIM_CLOCK_READY;
}

/* Wait states go up before the clock does, and are read back before they are relied on. The ART
   accelerator is emptied while it is off. */
static uint32_t slow_the_flash(void) {
    FLASH_ACR = WAIT_STATES;
    FLASH_ACR = WAIT_STATES | FLASH_ACR_ARTRST;
    FLASH_ACR = WAIT_STATES;
    FLASH_ACR = FLASH_ACR_WANTED;
    return wait_for(&FLASH_ACR, FLASH_ACR_LATENCY, WAIT_STATES) != 0U ? USIM_CLOCK_READY
                                                                      : USIM_CLOCK_FLASH;
}

static uint32_t switch_to_pll(void) {
    if (wait_for(&RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY) == 0U) {
        return USIM_CLOCK_PLL;
    }
    if (wait_for(&PWR_CSR1, PWR_CSR1_VOSRDY, PWR_CSR1_VOSRDY) == 0U) {
        return USIM_CLOCK_VOLTAGE;
    }
    RCC_CFGR = (RCC_CFGR & ~PRESCALER_BITS) | PRESCALERS;
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    return wait_for(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL) != 0U ? USIM_CLOCK_READY
                                                                     : USIM_CLOCK_SWITCH;
}

static uint32_t is_set_up(void) {
    return RCC_PLLCFGR == PLLCFGR_WANTED && (RCC_CFGR & RCC_CFGR_SWS) == RCC_CFGR_SWS_PLL &&
           (RCC_CFGR & PRESCALER_BITS) == PRESCALERS && FLASH_ACR == FLASH_ACR_WANTED;
}

static uint32_t set_up(void) {
    uint32_t failure = fall_back_to_hsi();
    if (failure != USIM_CLOCK_READY) {
        return failure;
    }
    PWR_CR1 |= PWR_CR1_VOS;
    RCC_PLLCFGR = PLLCFGR_WANTED;
    RCC_CR |= RCC_CR_PLLON;
    failure = raise_voltage();
    if (failure == USIM_CLOCK_READY) {
        failure = slow_the_flash();
    }
    return failure == USIM_CLOCK_READY ? switch_to_pll() : failure;
}

void usim_clock_set_up(void) {
    usim_clock.failure = USIM_CLOCK_FAULT; /* until it is known better */
    RCC_APB1ENR |= RCC_APB1ENR_PWREN;
    (void)RCC_APB1ENR; /* the clock is there two cycles later (5.2, "Peripheral clock enable") */
    usim_clock.failure = is_set_up() != 0U ? (uint32_t)USIM_CLOCK_READY : set_up();
    usim_clock.cfgr = RCC_CFGR;
    usim_clock.pllcfgr = RCC_PLLCFGR;
    usim_clock.flash_acr = FLASH_ACR;
}
