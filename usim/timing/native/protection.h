/*
 * protection.h - the memory protection unit, shared with usim/devices/mpu.py (ctypes).
 */
#ifndef USIM_PROTECTION_H
#define USIM_PROTECTION_H

#include "counter.h"

#define MAX_MPU_REGIONS 16U

enum access_right { MAY_READ = 1, MAY_WRITE = 2, MAY_EXECUTE = 4 };

typedef struct {
    uint32_t first; /* addresses, both included */
    uint32_t last;
    uint32_t subregion_shift; /* of an eighth; 0: the region is too small to have them */
    uint32_t disabled;        /* subregions, by bits */
    uint32_t privileged;      /* enum access_right */
    uint32_t unprivileged;
} mpu_region_t;

struct protection {
    counter_t *counter;
    uint32_t enabled;
    uint32_t background;   /* PRIVDEFENA: privileged code sees the default map where no region is */
    uint32_t in_hardfault; /* HFNMIENA */
    uint32_t region_count;
    mpu_region_t regions[MAX_MPU_REGIONS]; /* those enabled, by number */
    uint32_t denied_address;               /* of the access that ended the run */
    uint32_t denied_size;                  /* of a store, whose old bytes are kept; else 0 */
    uint8_t old_bytes[16];
};

/* Whether what runs is a handler or a privileged thread (B1.3.1). */
uint32_t usim_is_privileged(const counter_t *counter);

/* Whether the instruction at `pc` is LDRT, STRT or the like, which access memory as unprivileged
 * code does (A6.3.8, A6.3.10). */
uint32_t usim_is_unprivileged_access(const counter_t *counter, uint32_t pc);

/* Whether code may be executed at `address`. */
uint32_t usim_may_execute(const protection_t *protection, uint32_t address);

#endif
