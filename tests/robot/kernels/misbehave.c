#include <usim.h>

int32_t store(uint32_t address) {
    *(volatile uint32_t *)address = 1U;
    return 0;
}

int32_t load(uint32_t address, uint32_t *value) {
    *value = *(volatile uint32_t *)address;
    return 0;
}

int32_t divide(int32_t by, int32_t *result) {
    *result = 100 / by;
    return 0;
}

int32_t spin(void) {
    for (;;) {
        __asm volatile("nop");
    }
}
