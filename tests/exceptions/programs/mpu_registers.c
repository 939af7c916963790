/* The registers of the MPU (B3.5.4). A Cortex-M7 of the chips here has eight regions. */
#include "conform.h"

static uint32_t area[64] __attribute__((aligned(256)));

int main(void) {
    const uint32_t base = (uint32_t)(uintptr_t)area;
    show("TYPE", MPU_TYPE);
    MPU_TYPE = 0U;
    show("TYPE is read-only", MPU_TYPE);
    show("CTRL", MPU_CTRL);
    MPU_CTRL = 6U;
    show("CTRL without ENABLE", MPU_CTRL);
    MPU_CTRL = 0U;
    for (uint32_t region = 0U; region < 8U; region++) {
        MPU_RNR = region;
        MPU_RBAR = 0x20000000U + (region << 8);
        MPU_RASR = 0x0300000EU + (region << 16);
    }
    say("each region has registers of its own");
    MPU_RNR = 6U;
    show("  RBAR of 6", MPU_RBAR);
    show("  RASR of 6", MPU_RASR);
    MPU_RNR = 1U;
    show("  RBAR of 1", MPU_RBAR);
    show("  RASR of 1", MPU_RASR);
    say("RBAR with VALID chooses the region");
    MPU_RBAR = base | (1U << 4) | 5U;
    show("  RNR", MPU_RNR);
    show("  RBAR", MPU_RBAR - base);
    MPU_RBAR = (base + 32U) | 3U; /* no VALID: REGION is not looked at */
    show("  RNR", MPU_RNR);
    show("  RBAR", MPU_RBAR - base);
    say("aliases");
    MPU_ALIAS(2) = base | (1U << 4) | 2U;
    MPU_ALIAS(3) = 0x0300000FU;
    MPU_ALIAS(4) = base | (1U << 4) | 3U;
    MPU_ALIAS(5) = 0x06000011U;
    show("  RNR", MPU_RNR);
    MPU_RNR = 2U;
    show("  RASR of 2", MPU_RASR);
    show("  by an alias", MPU_ALIAS(7));
    MPU_RNR = 3U;
    show("  RASR of 3", MPU_RASR);
    say("halves of RASR");
    HALFWORD(0xE000EDA2U) = 0x1305U;
    show("  RASR", MPU_RASR);
    HALFWORD(0xE000EDA0U) = 0x8111U;
    show("  RASR", MPU_RASR);
    return 0;
}
