/* AIRCR.SYSRESETREQ: the core starts again, memory stays, registers have their reset values
 * (B1.5.16, B3.2). */
#include "conform.h"

#define MAGIC 0x5EED1E55U

static void spoil(void) {
    kept[0] = MAGIC;
    kept[1] = 0U;
    SHCSR |= MEMFAULTENA | BUSFAULTENA | USGFAULTENA;
    CCR |= DIV_0_TRP | USERSETMPEND;
    SCR = SEVONPEND;
    CPACR |= CP10_AND_CP11;
    AIRCR = VECTKEY | (3U << 8);
    SHPR1 = 0x00908070U;
    SHPR2 = 0x30000000U;
    SHPR3 = 0x50400000U;
    NVIC_IPR(3) = 0x40U;
    NVIC_ISPR = 0xFFU;
    SYST_CSR = 4U;
    MPU_RNR = 2U;
    MPU_CTRL = 4U;
    FPCCR = 0U;
    set_basepri(0x20U);
    set_psp(0x20001000U);
    set_primask(1);
    NVIC_ISER = 0xFFU;
    ICSR = PENDSVSET | PENDSTSET;
    VTOR = 0x20000000U;
}

int main(void) {
    if (kept[0] != MAGIC) {
        spoil();
        AIRCR = SYSRESETREQ; /* no key, no reset */
        settle();
        kept[1]++;
        AIRCR = VECTKEY | SYSRESETREQ;
        __asm volatile("dsb" ::: "memory");
        for (;;) {
        }
    }
    show("kept, and one line behind a reset without its key", kept[1]);
    kept[0] = 0U;
    show("IPSR", get_ipsr());
    show("CONTROL", get_control());
    show("PRIMASK", get_primask());
    show("BASEPRI", get_basepri());
    show("FAULTMASK", get_faultmask());
    show("AIRCR", AIRCR & ~(1U << 15));
    show("SCR", SCR);
    show("CCR.STKALIGN and traps", CCR & 0x31BU);
    show("SHCSR", SHCSR);
    show("SHPR1", SHPR1);
    show("SHPR2", SHPR2);
    show("SHPR3", SHPR3);
    show("CFSR", CFSR);
    show("HFSR", HFSR);
    show("CPACR", CPACR);
    show("FPCCR", FPCCR);
    show("ICSR", ICSR & ~RETTOBASE);
    show("ISER", NVIC_ISER);
    show("ISPR", NVIC_ISPR);
    show("IPR", WORD(0xE000E400U));
    show("SYST_CSR", SYST_CSR & 7U);
    show("MPU_CTRL", MPU_CTRL);
    const uint32_t *const table = (const uint32_t *)(uintptr_t)VTOR;
    show("MSP came from the vector table", get_msp() <= table[0] && get_msp() > table[0] - 512U);
    return 0;
}
