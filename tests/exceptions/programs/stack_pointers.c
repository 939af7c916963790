/* Bits 1 and 0 of MSP and PSP read as zero (B1.4.7). */
#include "conform.h"

int main(void) {
    for (uint32_t low = 0U; low < 4U; low++) {
        set_psp(0x20001230U + low);
        show("PSP", get_psp());
    }
    const uint32_t here = get_msp() & ~7U;
    set_msp(here | 2U);
    const uint32_t kept = get_msp();
    set_msp(here);
    show("MSP, low bits", kept & 3U);
    return 0;
}
