/* flash_waits.c - what FLASH_ACR's LATENCY and ARTEN cost code in flash, with the caches off. */
#include "console.h"
#include "cycles.h"
#include "routines.h"
#include "stm32f746.h"

enum { LATENCIES = 8, LEARNING_CALLS = 4 };

/* The ART accelerator is emptied while it is off (RM0385 3.7.1, ARTRST). */
static void set_flash(uint32_t latency, uint32_t art) {
    FLASH_ACR = latency;
    FLASH_ACR = latency | ACR_ARTRST;
    FLASH_ACR = latency;
    FLASH_ACR = latency | art;
    while ((FLASH_ACR & (0xFU | ACR_ARTEN)) != (latency | art)) {
    }
}

static void tell(const char *name, const char *setting, uint32_t latency, uint32_t cycles) {
    console_text(name);
    console_text(setting);
    console_number(latency);
    console_value("", cycles);
}

/* Cycles with what the flash's accelerator has kept, none of it, and then all that it can. */
static void measure(const char *name, routine code, uint32_t latency, uint32_t art) {
    for (uint32_t i = 0; i < LEARNING_CALLS; i++) { /* the branch predictor */
        (void)cycles_of(code, 0);
    }
    set_flash(latency, art);
    tell(name, art != 0U ? " art first " : " off first ", latency, cycles_of(code, 0));
    tell(name, art != 0U ? " art again " : " off again ", latency, cycles_of(code, 0));
}

int main(void) {
    console_open(HSI_HZ / 8U); /* eight times as fast: there is much to tell */
    start_cycle_counter();
    measure("itcm", straight_in_itcm, 0, 0);
    for (uint32_t latency = 0; latency < LATENCIES; latency++) {
        for (uint32_t art = 0; art <= ACR_ARTEN; art += ACR_ARTEN) {
            measure("axi straight", straight, latency, art);
            measure("axi loop", loop, latency, art);
            measure("alias straight", on_itcm_bus(straight), latency, art);
            measure("alias loop", on_itcm_bus(loop), latency, art);
        }
    }
    console_text("done\n");
    console_flush();
    return 0;
}
