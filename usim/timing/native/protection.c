/*
 * protection.c - the memory protection unit of PMSAv7 (DDI 0403E B3.5).
 *
 * Looked at before each block (execution) and, while something may be denied, before each access.
 */
#include "protection.h"

#define UC_MEM_WRITE 17 /* unicorn.h's uc_mem_type */
#define UC_ARM_REG_IPSR 114
#define UC_ARM_REG_CONTROL 117
#define UC_ARM_REG_FAULTMASK 126
#define PRIVATE_BUS 0xE00U /* the private peripheral bus always has the default map (B3.5.1) */

static uint32_t register_of(const counter_t *counter, int number) {
    uint32_t value = 0;
    counter->reg_read(counter->engine, number, &value);
    return value;
}

static uint32_t running_exception(const counter_t *counter) {
    return register_of(counter, UC_ARM_REG_IPSR) & 0x1FFU;
}

uint32_t usim_is_privileged(const counter_t *counter) {
    return running_exception(counter) != 0U ||
           (register_of(counter, UC_ARM_REG_CONTROL) & 1U) == 0U;
}

static uint32_t is_in(const mpu_region_t *region, uint32_t address) {
    if (address < region->first || address > region->last) {
        return 0;
    }
    const uint32_t sub =
        region->subregion_shift != 0U ? (address - region->first) >> region->subregion_shift : 0U;
    return (region->disabled >> sub & 1U) == 0U;
}

/* What is allowed at an address: the region with the highest number counts. */
static uint32_t rights_at(const protection_t *protection, uint32_t address, uint32_t privileged) {
    for (uint32_t i = protection->region_count; i > 0U; i--) {
        const mpu_region_t *region = &protection->regions[i - 1U];
        if (is_in(region, address) != 0U) {
            return privileged != 0U ? region->privileged : region->unprivileged;
        }
    }
    return protection->background != 0U && privileged != 0U ? MAY_READ | MAY_WRITE | MAY_EXECUTE
                                                            : 0U;
}

static uint32_t is_allowed(const protection_t *protection, uint32_t first, uint32_t last,
                           uint32_t right, uint32_t privileged) {
    return (rights_at(protection, first, privileged) & right) != 0U &&
           (rights_at(protection, last, privileged) & right) != 0U;
}

uint32_t usim_is_unprivileged_access(const counter_t *counter, uint32_t pc) {
    uint8_t bytes[4];
    if (counter->mem_read(counter->engine, pc, bytes, sizeof bytes) != 0) {
        return 0;
    }
    return (bytes[1] & 0xFEU) == 0xF8U && (bytes[0] & 0x80U) == 0U && (bytes[3] & 0x0FU) == 0x0EU;
}

static uint32_t is_denied(const protection_t *protection, uint32_t first, uint32_t last,
                          uint32_t right) {
    if (protection->enabled == 0U || first >> 20 == PRIVATE_BUS) {
        return 0;
    }
    const uint32_t as_privileged = is_allowed(protection, first, last, right, 1U);
    const uint32_t as_unprivileged = is_allowed(protection, first, last, right, 0U);
    if (as_privileged != 0U && as_unprivileged != 0U) {
        return 0;
    }
    const counter_t *counter = protection->counter;
    const uint32_t running = running_exception(counter);
    const uint32_t in_hardfault =
        running == 2U || running == 3U || (register_of(counter, UC_ARM_REG_FAULTMASK) & 1U) != 0U;
    if (in_hardfault != 0U && protection->in_hardfault == 0U) {
        return 0;
    }
    const uint32_t privileged = usim_is_privileged(counter);
    if (privileged != 0U && as_privileged != 0U) {
        const uint32_t pc = register_of(counter, counter->register_ids[15]) & ~1U;
        return right != MAY_EXECUTE && usim_is_unprivileged_access(counter, pc);
    }
    return (privileged != 0U ? as_privileged : as_unprivileged) == 0U;
}

uint32_t usim_may_execute(const protection_t *protection, uint32_t address) {
    return is_denied(protection, address, address + 1U, MAY_EXECUTE) == 0U;
}

/* For accesses that the core makes outside of instructions: frames and vectors. */
USIM_EXPORT uint32_t usim_protection_denies(const protection_t *protection, uint32_t address,
                                            uint32_t size, uint32_t right) {
    return is_denied(protection, address, address + size - 1U, right);
}

/* Remember what a store is about to overwrite, and end the run. */
static void end_at_access(protection_t *protection, uint32_t reason, uint32_t right,
                          uint32_t address, uint32_t size) {
    counter_t *counter = protection->counter;
    protection->denied_address = address;
    protection->denied_size = 0;
    if (right == MAY_WRITE && size <= sizeof protection->old_bytes &&
        counter->mem_read(counter->engine, address, protection->old_bytes, size) == 0) {
        protection->denied_size = size;
    }
    counter->stop_reason = reason;
    counter->emu_stop(counter->engine);
}

/* UC_HOOK_MEM_READ and _WRITE over all memory, while something may be denied or trapped. Unicorn
 * ends a run that is stopped here before the instruction, but with the store done. */
USIM_EXPORT void usim_on_access_protected(void *engine, int type, uint64_t address, int size,
                                          int64_t value, void *user) {
    protection_t *protection = user;
    counter_t *counter = protection->counter;
    const uint32_t first = (uint32_t)address;
    const uint32_t right = type == UC_MEM_WRITE ? MAY_WRITE : MAY_READ;
    (void)engine;
    (void)value;
    usim_clear_it_state(counter);
    if (counter->stop_reason == RUNNING && counter->traps_unaligned != 0U &&
        (first & ((uint32_t)size - 1U)) != 0U) {
        end_at_access(protection, IS_UNALIGNED, right, first, (uint32_t)size);
        return;
    }
    if (counter->stop_reason != RUNNING ||
        is_denied(protection, first, first + (uint32_t)size - 1U, right) == 0U) {
        return;
    }
    end_at_access(protection, ACCESS_DENIED, right, first, (uint32_t)size);
}

USIM_EXPORT uint64_t usim_protection_size(void) {
    return sizeof(protection_t);
}
