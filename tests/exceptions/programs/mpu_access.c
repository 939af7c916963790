/* Who may read and write where: access permissions, regions on top of each other, sizes, subregions
 * (B3.5). */
#include "conform.h"

enum { ENABLE = 1, HFNMIENA = 2, PRIVDEFENA = 4 };
enum { ALL_4_GB = 31 << 1, OF_32_BYTES = 4 << 1, OF_256_BYTES = 7 << 1, OF_1_KB = 9 << 1 };

static uint32_t area[256] __attribute__((aligned(1024)));
static uint32_t faults;
static uint32_t fault_address;

static void mem_manage(struct frame *frame, uint32_t exc_return) {
    (void)exc_return;
    faults++;
    fault_address = (CFSR & MMARVALID) != 0U ? MMFAR : 0U;
    if (CFSR != (MMARVALID | DACCVIOL)) {
        show("  another status", CFSR);
    }
    CFSR = 0xFFFFFFFFU;
    frame->pc += (HALFWORD(frame->pc) >> 11) >= 0x1DU ? 4U : 2U; /* behind the access */
}

static void region(uint32_t number, uint32_t base, uint32_t attributes) {
    MPU_RBAR = base | (1U << 4) | number;
    MPU_RASR = attributes == 0U ? 0U : attributes | 1U;
    settle();
}

#define PERMISSION(ap) ((uint32_t)(ap) << 24)
#define BASE ((uint32_t)(uintptr_t)area)

static bool loads(const uint32_t *word) {
    const uint32_t before = faults;
    uint32_t value;
    __asm volatile("ldr %0, [%1]" : "=&r"(value) : "r"(word) : "memory");
    return faults == before;
}

static bool stores(uint32_t *word) {
    const uint32_t before = faults;
    __asm volatile("str %0, [%1]\n dsb" ::"r"(1), "r"(word) : "memory");
    return faults == before;
}

static uint32_t allowed; /* a bit each: privileged load, store, unprivileged load, store */

static void as_user(void) {
    allowed |= loads(&area[4]) ? 4U : 0U;
    allowed |= stores(&area[4]) ? 8U : 0U;
}

static void permissions(void) {
    static const uint8_t defined[7] = {0, 1, 2, 3, 5, 6, 7};
    say("loads and stores by AP: privileged 1 and 2, unprivileged 4 and 8");
    for (unsigned i = 0; i < sizeof defined; i++) {
        region(7, BASE, PERMISSION(defined[i]) | OF_32_BYTES);
        allowed = loads(&area[4]) ? 1U : 0U;
        allowed |= stores(&area[4]) ? 2U : 0U;
        unprivileged(as_user);
        show("  AP", defined[i]);
        show("    allowed", allowed);
    }
    say("LDRT and STRT of privileged code are unprivileged");
    region(7, BASE, PERMISSION(1) | OF_32_BYTES);
    const uint32_t before = faults;
    uint32_t value = 0U;
    __asm volatile("ldrt %0, [%1]\n strt %0, [%1]\n dsb" : "+&r"(value) : "r"(area) : "memory");
    show("  faults", faults - before);
    region(7, 0, 0);
}

/* Bit n: word 8 * n may be loaded; the first 1,024 bytes, every 32. */
static uint32_t map(void) {
    uint32_t bits = 0U;
    for (unsigned block = 0; block < 32U; block++) {
        MPU_RBAR = MPU_RBAR; /* QEMU would take the whole page for what one address of it is */
        bits |= loads(&area[8U * block]) ? 1U << block : 0U;
    }
    return bits;
}

static void sizes(void) {
    say("each bit stands for 32 bytes");
    region(3, BASE + 64U, PERMISSION(0) | OF_32_BYTES);
    show("  32 bytes without access", map());
    show("  MMFAR", fault_address - BASE);
    region(3, BASE + 256U, PERMISSION(0) | OF_256_BYTES);
    show("  256 bytes", map());
    region(3, BASE + 256U, PERMISSION(0) | OF_256_BYTES | (0xA5U << 8));
    show("  256 bytes, subregions 0xA5 disabled", map());
    region(3, BASE, PERMISSION(0) | OF_1_KB | (0x0FU << 8));
    show("  1 KB, subregions 0x0F disabled", map());
    say("the highest number counts");
    region(5, BASE + 512U, PERMISSION(3) | OF_256_BYTES);
    show("  region 5 with access", map());
    region(2, BASE + 768U, PERMISSION(3) | OF_256_BYTES);
    show("  region 2 does not help", map());
    region(7, BASE + 512U, PERMISSION(0) | OF_32_BYTES);
    show("  region 7 without", map());
    MPU_RNR = 5U;
    MPU_RASR &= ~1U;
    settle();
    show("  region 5 disabled", map());
    for (unsigned number = 1; number < 8U; number++) {
        region(number, 0, 0);
    }
    show("  none but the 4 GB", map());
}

static void as_user_by_default(void) {
    show("  unprivileged load", loads(&area[0]));
}

static void straddling(void) {
    say("an unaligned access into a region without access");
    region(7, BASE + 32U, PERMISSION(0) | OF_32_BYTES);
    const uint32_t *const last = (const uint32_t *)(const void *)((const char *)area + 28);
    show("  the last word before it", loads(last));
    show("  2 bytes further", loads((const uint32_t *)(const void *)((const char *)area + 30)));
    region(7, 0, 0);
}

int main(void) {
    handle(MEM_MANAGE, mem_manage);
    SHCSR |= MEMFAULTENA;
    region(0, 0, PERMISSION(3) | ALL_4_GB);
    MPU_CTRL = ENABLE;
    settle();
    permissions();
    sizes();
    straddling();
    say("the system space needs no region, and none forbids it");
    region(7, 0xE0000000U, PERMISSION(0) | (19U << 1));
    show("  privileged", loads((const uint32_t *)(uintptr_t)0xE000ED00U));
    region(7, 0, 0);

    say("PRIVDEFENA: no region is needed, for privileged code");
    MPU_CTRL = ENABLE | PRIVDEFENA;
    region(7, BASE, PERMISSION(0) | OF_32_BYTES);
    region(1, BASE + 512U, PERMISSION(0) | OF_256_BYTES);
    region(0, 0, 0);
    show("  map", map());
    say("a disabled MPU forbids nothing");
    MPU_CTRL = 0U;
    settle();
    show("  map", map());
    show("  stores", stores(&area[0]));
    unprivileged(as_user_by_default);
    return 0;
}
