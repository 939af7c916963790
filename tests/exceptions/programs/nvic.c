/* The registers of the NVIC, in words, halfwords and bytes (B3.4). Interrupt 5 is the one that is
 * looked at. */
#include "conform.h"

static unsigned left_to_pend;

static void interrupt(struct frame *frame, uint32_t exc_return) {
    (void)frame;
    show("  interrupt", get_ipsr() - EXTERNAL);
    show("    EXC_RETURN", exc_return);
    show("    ISPR", NVIC_ISPR);
    show("    IABR", NVIC_IABR);
    show("    ISER", NVIC_ISER);
    if (left_to_pend > 0U) {
        left_to_pend--;
        pend(1U << 5);
        show("    pending while active, ISPR", NVIC_ISPR);
    }
}

static void priorities(void) {
    say("IPR by bytes, halfwords and words");
    NVIC_IPR(4) = 0x10U;
    NVIC_IPR(5) = 0x20U;
    HALFWORD(0xE000E406U) = 0x4030U;
    show("  word", WORD(0xE000E404U));
    show("  halfword", HALFWORD(0xE000E406U));
    show("  byte", BYTE(0xE000E405U));
    WORD(0xE000E404U) = 0x80706050U;
    show("  word", WORD(0xE000E404U));
    show("  byte", BYTE(0xE000E407U));
    NVIC_IPR(4) = 0xFFU;
    show("  bits that exist", NVIC_IPR(4));
    say("SHPR by bytes and words");
    SHPR(PENDSV) = 0xE0U;
    SHPR(SYSTICK) = 0xD0U;
    show("  SHPR3", SHPR3);
    SHPR(SVCALL) = 0x30U;
    show("  SHPR2", SHPR2);
    SHPR1 = 0x00908070U;
    show("  SHPR1", SHPR1);
    show("  of UsageFault", SHPR(USAGE_FAULT));
    HALFWORD(0xE000ED22U) = 0x5040U;
    show("  SHPR3", SHPR3);
}

int main(void) {
    handle(EXTERNAL + 5U, interrupt);
    handle(EXTERNAL + 6U, interrupt);
    priorities();
    WORD(0xE000E404U) = 0U;

    say("disabled: it pends and is not taken");
    pend(1U << 5);
    show("  ISPR", NVIC_ISPR);
    show("  ICPR", NVIC_ICPR);
    show("  ICSR.ISRPENDING", ICSR & ISRPENDING);
    show("  ICSR.VECTPENDING", ICSR & VECTPENDING);
    say("writes of zero change nothing; cleared by ICPR");
    NVIC_ISPR = 0U;
    NVIC_ICPR = 0U;
    show("  ISPR", NVIC_ISPR);
    NVIC_ICPR = 1U << 5;
    show("  ISPR", NVIC_ISPR);

    say("enabling takes what is pending");
    pend(1U << 5);
    enable(5);
    settle();
    show("  ISPR", NVIC_ISPR);
    show("  IABR", NVIC_IABR);

    say("byte and halfword accesses to ISER, ISPR, ICER");
    NVIC_ICER = 1U << 5;
    show("  ISER", NVIC_ISER);
    HALFWORD(0xE000E100U) = 1U << 6;
    BYTE(0xE000E100U) = 1U << 5;
    show("  ISER", NVIC_ISER);
    show("  ISER, byte", BYTE(0xE000E100U));
    show("  ICER, halfword", HALFWORD(0xE000E180U));
    BYTE(0xE000E200U) = 1U << 6;
    settle();
    BYTE(0xE000E180U) = 1U << 6;
    show("  ISER", NVIC_ISER);

    say("pended in its own handler: taken again, after it returns");
    left_to_pend = 2U;
    pend(1U << 5);

    say("STIR");
    STIR = 5U;
    settle();
    say("STIR while disabled; taken when enabled");
    NVIC_ICER = 1U << 5;
    STIR = 5U;
    settle();
    show("  ISPR", NVIC_ISPR);
    enable(5);
    settle();
    show("  ISPR", NVIC_ISPR);
    show("  IABR is read-only", (NVIC_IABR = 1U << 5, NVIC_IABR));
    return 0;
}
