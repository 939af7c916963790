/* caches_on.c - what the firmware's own CCR.IC and CCR.DC, and its cache maintenance, are worth. */
#include "caches.h"
#include "console.h"
#include "cycles.h"
#include "routines.h"
#include "stm32f746.h"

enum { LEARNING_CALLS = 4 };

static uint32_t in_dtcm[WORDS];
static uint32_t in_sram1[WORDS] __attribute__((section(".sram1"), aligned(32)));
/* In flash; no zeros, which could be moved elsewhere. */
static const uint32_t in_flash[WORDS] __attribute__((aligned(32))) = {1};

static void tell(const char *setting, const char *name, const char *when, uint32_t cycles) {
    console_text(setting);
    console_text(name);
    console_value(when, cycles);
}

/* Cycles with empty caches, and with what they have kept. */
static void measure(const char *setting, const char *name, routine code, const uint32_t *words) {
    for (uint32_t i = 0; i < LEARNING_CALLS; i++) { /* the branch predictor */
        (void)cycles_of(code, words);
    }
    caches_invalidate_code();
    caches_invalidate_data();
    tell(setting, name, " first", cycles_of(code, words));
    tell(setting, name, " again", cycles_of(code, words));
}

static void measure_all(const char *setting, uint32_t enabled) {
    caches_enable(enabled);
    measure(setting, " axi", straight, 0);
    measure(setting, " alias", on_itcm_bus(straight), 0);
    measure(setting, " dtcm", read_words, in_dtcm);
    measure(setting, " sram1", read_words, in_sram1);
    measure(setting, " flash", read_words, in_flash);
}

int main(void) {
    FLASH_ACR = ACR_ARTEN | 7U;
    console_open(HSI_HZ / 8U); /* eight times as fast: there is much to tell */
    start_cycle_counter();
    measure("itcm", "", straight_in_itcm, 0);
    measure_all("off", 0);
    measure_all("code", CCR_IC);
    measure_all("data", CCR_DC);
    measure_all("both", CCR_IC | CCR_DC);
    measure_all("off again", 0);
    console_text("done\n");
    console_flush();
    return 0;
}
