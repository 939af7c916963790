/*
 * registers.h - the system registers that the runtime touches.
 * Armv7-M Architecture Reference Manual (DDI 0403E.e): B3.2 system control block, C1.8 DWT.
 */
#ifndef USIM_REGISTERS_H
#define USIM_REGISTERS_H

#include <stdint.h>

#define USIM_REGISTER(address) (*(volatile uint32_t *)(address))

#define SCB_VTOR USIM_REGISTER(0xE000ED08U)
#define SCB_CCR USIM_REGISTER(0xE000ED14U)
#define SCB_CCR_DIV_0_TRP (1U << 4)
#define SCB_CCR_DC (1U << 16)
#define SCB_CCR_IC (1U << 17)
#define SCB_SHCSR USIM_REGISTER(0xE000ED24U)
#define SCB_SHCSR_FAULTS_ENABLED (7U << 16) /* MemManage, BusFault, UsageFault */
#define SCB_CFSR USIM_REGISTER(0xE000ED28U)
#define SCB_HFSR USIM_REGISTER(0xE000ED2CU)
#define SCB_MMFAR USIM_REGISTER(0xE000ED34U)
#define SCB_BFAR USIM_REGISTER(0xE000ED38U)
#define SCB_CPACR USIM_REGISTER(0xE000ED88U)
#define SCB_CPACR_FPU_FULL_ACCESS (0xFU << 20) /* CP10 and CP11 */
#define CFSR_STACKING_ERRORS 0x00003030U       /* MSTKERR, MLSPERR, STKERR, LSPERR */

#define SCB_CCSIDR USIM_REGISTER(0xE000ED80U)
#define SCB_CSSELR USIM_REGISTER(0xE000ED84U)
#define SCB_ICIALLU USIM_REGISTER(0xE000EF50U)
#define SCB_DCISW USIM_REGISTER(0xE000EF60U)
#define SCB_DCCISW USIM_REGISTER(0xE000EF74U)

#define DCB_DEMCR USIM_REGISTER(0xE000EDFCU)
#define DCB_DEMCR_TRCENA (1U << 24)

#define DWT_CTRL USIM_REGISTER(0xE0001000U)
#define DWT_CTRL_CYCCNTENA (1U << 0)
#define DWT_CYCCNT 0xE0001004
#define DWT_LAR USIM_REGISTER(0xE0001FB0U)
#define DWT_LAR_KEY 0xC5ACCE55U /* the Cortex-M7's DWT is locked after reset */

/* What counts: CYCCNT, unless the host knows a better register and what its ticks stand for. */
#ifndef USIM_COUNTER
#define USIM_COUNTER DWT_CYCCNT
#define USIM_COUNT(ticks) (ticks)
#else
#define USIM_COUNT(ticks)                                                                          \
    ((uint32_t)(((uint64_t)(ticks) * USIM_COUNTS + USIM_TICKS / 2U) / USIM_TICKS))
#endif

#endif
