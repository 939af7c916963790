/*
 * counter.c - counts executed instructions inside the emulator, one callback a basic block.
 *
 * Unicorn calls usim_on_block before each translated block with its address and length. The number
 * of instructions in a block follows from its bytes (Thumb: a halfword with its top five bits at
 * 0b11101, 0b11110 or 0b11111 starts a 32-bit instruction) and is kept per block, so that the usual
 * cost is a table look-up. Built for the host; calls Unicorn through function pointers, so it links
 * to nothing.
 */
#include "protection.h"
#include "timer.h"
#include "waiting.h"

#define UC_MEM_WRITE 17   /* unicorn.h's uc_mem_type */
#define UC_ARM_REG_CPSR 3 /* arm.h's uc_arm_reg */
#define UC_ARM_REG_IPSR 114
#define UC_ARM_REG_CONTROL 117
#define CONTROL_SPSEL 2U
#define NO_BASE 16U
#define UC_ARM_REG_MSP 115
#define UC_ARM_REG_PSP 116
#define UC_ARM_REG_PRIMASK 123
#define UC_ARM_REG_BASEPRI 124
#define UC_ARM_REG_FAULTMASK 126
#define ITSTATE 0x0600FC00U /* in xPSR (DDI 0403E B1.4.2) */

static uint32_t is_wide(uint16_t halfword) {
    return (halfword >> 11) >= 0x1DU;
}

static uint16_t halfword_at(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | (uint16_t)(bytes[1] << 8));
}

/* SDIV and UDIV, encoding T1 (DDI 0403E A7.7.127, A7.7.195). */
static uint32_t is_division(uint16_t first, uint16_t second) {
    return ((first & 0xFFF0U) == 0xFB90U || (first & 0xFFF0U) == 0xFBB0U) &&
           (second & 0xF0F0U) == 0xF0F0U;
}

/* SEV, both encodings (A7.7.129). */
static uint32_t is_send_event(uint16_t first, uint16_t second) {
    return first == 0xBF40U || (first == 0xF3AFU && second == 0x8004U);
}

static uint32_t is_control_read(uint16_t first, uint16_t second) {
    return first == 0xF3EFU && (second & 0xF0FFU) == 0x8014U;
}

/* MRS and MSR CONTROL; MSR MSP, PSP and FAULTMASK; CPSID f (B5.2.1 to B5.2.3). */
static uint32_t is_special(uint16_t first, uint16_t second) {
    return is_control_read(first, second) != 0U ||
           ((first & 0xFFF0U) == 0xF380U &&
            (second == 0x8814U || second == 0x8813U || second == 0x8808U || second == 0x8809U)) ||
           (first & 0xFFFDU) == 0xB671U;
}

/* Coprocessors 10 and 11: encodings 1110 11.. and 1111 11.. (A5.3.18, A6.4 to A6.7). */
static uint32_t is_floating_point(uint16_t first, uint16_t second) {
    return (first & 0xEC00U) == 0xEC00U && (second & 0x0E00U) == 0x0A00U;
}

USIM_EXPORT uint64_t usim_counter_size(void) {
    return sizeof(counter_t);
}

/* The system registers (Armv7-M, B3.1.1: private peripheral bus), the peripheral region (B3.1), and
 * where the STM32F7 has the registers of its external memories. */
static uint32_t is_register(uint32_t address) {
    return (address >> 20) == 0xE00U || (address >> 29) == 2U || (address >> 16) == 0xA000U;
}

/* MOVT Rd, #imm (A7.7.79): code that makes itself a pointer to a register. */
static uint32_t makes_register_pointer(uint16_t first, uint16_t second) {
    const uint32_t value = ((first & 0xFU) << 12) | (((first >> 10) & 1U) << 11) |
                           (((second >> 12) & 7U) << 8) | (second & 0xFFU);
    return (first & 0xFBF0U) == 0xF2C0U && is_register(value << 16);
}

/* A literal that a load takes (LDR, encodings T1 and T2 with U set), 0 for anything else. */
static uint32_t literal(counter_t *counter, uint32_t pc, uint16_t first, uint16_t second) {
    uint32_t offset;
    uint32_t value = 0;
    if ((first & 0xF800U) == 0x4800U) {
        offset = (first & 0xFFU) * 4U;
    } else if (first == 0xF8DFU) {
        offset = second & 0xFFFU;
    } else {
        return 0;
    }
    const uint32_t at = ((pc + 4U) & ~3U) + offset;
    return counter->mem_read(counter->engine, at, &value, sizeof value) == 0 ? value : 0U;
}

/* Instructions in `size` bytes at `address`. */
static uint32_t count_instructions(counter_t *counter, uint32_t address, uint32_t size) {
    uint8_t bytes[MAX_BLOCK_BYTES + 2];
    uint32_t count = 0;
    if (size > MAX_BLOCK_BYTES || counter->mem_read(counter->engine, address, bytes, size) != 0) {
        return 1; /* the fetch itself will fault */
    }
    for (uint32_t i = 0; i + 2U <= size; count++) {
        i += is_wide(halfword_at(bytes + i)) != 0U ? 4U : 2U;
    }
    return count;
}

static uint32_t any_register_points_at_registers(counter_t *counter) {
    for (uint32_t i = 0; i < 15U; i++) {
        uint32_t value = 0;
        counter->reg_read(counter->engine, counter->register_ids[i], &value);
        if (is_register(value) != 0U) {
            return 1;
        }
    }
    return 0;
}

/*
 * The base register of an instruction whose address must be a multiple of 4 (A3.2.1): LDM, STM,
 * LDRD, STRD, VLDR, VSTR, VLDM, VSTM. NO_BASE for any other, and for those relative to the pc or
 * the stack pointer, which is a multiple of 4 whatever is written to it (B1.4.1).
 */
static uint32_t base_of_aligned(uint16_t first, uint16_t second) {
    const uint32_t base = first & 0xFU;
    if ((first & 0xF000U) == 0xC000U) {
        return (first >> 8) & 7U;
    }
    if (base == 13U || base == 15U) {
        return NO_BASE;
    }
    const uint32_t writes_back_or_indexes = (first & 0x0120U) != 0U;
    const uint32_t multiple = (first & 0xFE40U) == 0xE800U && ((first >> 7) & 3U) % 3U != 0U;
    const uint32_t dual = (first & 0xFE40U) == 0xE840U && writes_back_or_indexes != 0U;
    const uint32_t floating = (first & 0xFE00U) == 0xEC00U && (second & 0x0E00U) == 0x0A00U &&
                              ((first & 0x01A0U) != 0U || (first & 0x0040U) == 0U);
    return multiple != 0U || dual != 0U || floating != 0U ? base : NO_BASE;
}

/* Whether the address of an instruction has to be looked at when it runs. */
USIM_EXPORT uint32_t usim_must_be_aligned(uint32_t first, uint32_t second) {
    return base_of_aligned((uint16_t)first, (uint16_t)second) != NO_BASE;
}

/*
 * Whether a block that is new has instructions that must be looked at when they run: divisions, and
 * accesses to system registers. Only there Unicorn is asked where it is, by a hook on the single
 * instruction; a hook on the registers' memory would slow every access to any memory.
 */
static uint32_t needs_inspection(counter_t *counter, uint32_t address, uint32_t size) {
    uint8_t bytes[MAX_BLOCK_BYTES + 2];
    if (size > MAX_BLOCK_BYTES || counter->mem_read(counter->engine, address, bytes, size) != 0) {
        return 0;
    }
    uint32_t reasons = 0;
    for (uint32_t i = 0; i + 2U <= size;) {
        const uint16_t first = halfword_at(bytes + i);
        const uint32_t wide = is_wide(first) != 0U && i + 4U <= size;
        const uint16_t second = wide != 0U ? halfword_at(bytes + i + 2U) : 0U;
        if (is_division(first, second) != 0U) {
            reasons |= INSPECT_DIVISION;
        }
        if (counter->checks_alignment != 0U && base_of_aligned(first, second) != NO_BASE) {
            reasons |= INSPECT_MULTIPLE;
        }
        if (is_send_event(first, second) != 0U) {
            reasons |= INSPECT_SEND_EVENT;
        }
        if (is_special(first, second) != 0U) {
            reasons |= INSPECT_SPECIAL;
        }
        if (makes_register_pointer(first, second) != 0U ||
            is_register(literal(counter, address + i, first, second)) != 0U) {
            reasons |= INSPECT_REGISTERS;
        }
        i += wide != 0U ? 4U : 2U;
    }
    if (any_register_points_at_registers(counter) != 0U) {
        reasons |= INSPECT_POINTERS;
    }
    return reasons;
}

static uint32_t uses_fpu(counter_t *counter, uint32_t address, uint32_t size) {
    uint8_t bytes[MAX_BLOCK_BYTES + 2];
    if (size > MAX_BLOCK_BYTES || counter->mem_read(counter->engine, address, bytes, size) != 0) {
        return 0;
    }
    for (uint32_t i = 0; i + 4U <= size;) {
        const uint16_t first = halfword_at(bytes + i);
        if (is_floating_point(first, halfword_at(bytes + i + 2U)) != 0U) {
            return 1;
        }
        i += is_wide(first) != 0U ? 4U : 2U;
    }
    return 0;
}

static void mark_code(counter_t *counter, uint32_t address, uint32_t size) {
    const uint32_t last = (address + size - 1U) >> CODE_PAGE_SHIFT;
    for (uint32_t page = address >> CODE_PAGE_SHIFT; size != 0U && page <= last; page++) {
        counter->code_pages[page / 8U] |= (uint8_t)(1U << (page % 8U));
    }
}

/* Whether code has run in the pages of [address, address + size). */
USIM_EXPORT uint32_t usim_counter_holds_code(const counter_t *counter, uint32_t address,
                                             uint32_t size) {
    const uint32_t last = (address + size - 1U) >> CODE_PAGE_SHIFT;
    for (uint32_t page = address >> CODE_PAGE_SHIFT; size != 0U && page <= last; page++) {
        if ((counter->code_pages[page / 8U] >> (page % 8U) & 1U) != 0U) {
            return 1;
        }
    }
    return 0;
}

static slot_t *find_slot(counter_t *counter, uint32_t address, uint32_t size) {
    const uint64_t key = ((uint64_t)address << 16 | size) + 1U;
    slot_t *slot = &counter->slots[((address >> 1) ^ (address >> 17)) & (SLOTS - 1U)];
    if (slot->key != key) {
        slot->inspect = (uint16_t)(counter->inspect_all | needs_inspection(counter, address, size));
        slot->uses_fpu = (uint16_t)uses_fpu(counter, address, size);
        slot->instructions = count_instructions(counter, address, size);
        slot->key = key;
        mark_code(counter, address, size);
    }
    return slot;
}

static void stop(counter_t *counter, uint32_t reason) {
    counter->stop_reason = reason;
    counter->emu_stop(counter->engine);
}

static uint32_t is_stop_address(const counter_t *counter, uint32_t address) {
    if (address == counter->stop_address || address == counter->inside_stop) {
        return 1;
    }
    for (uint32_t i = 0; i < counter->breakpoint_count; i++) {
        if (address == counter->breakpoints[i]) {
            return 1;
        }
    }
    return 0;
}

/* Cycles, or instructions where only those are counted; of the current block, all. */
static uint64_t time_now(const counter_t *counter) {
    return counter->counts_cycles != 0U ? counter->timer->cycles : counter->instructions;
}

static uint32_t register_value(const counter_t *counter, int number) {
    uint32_t value = 0;
    counter->reg_read(counter->engine, number, &value);
    return value;
}

/* Whether the exception that waits has a higher priority than what runs, masks included (B1.5.4).
 */
static uint32_t may_interrupt(const counter_t *counter) {
    int32_t level = NOT_PENDING;
    if (counter->pending_priority >= NOT_PENDING) {
        return 0;
    }
    const uint32_t basepri =
        register_value(counter, UC_ARM_REG_BASEPRI) & counter->group_mask & 0xFFU;
    if (basepri != 0U) {
        level = (int32_t)basepri;
    }
    if ((register_value(counter, UC_ARM_REG_PRIMASK) & 1U) != 0U) {
        level = 0;
    }
    if ((register_value(counter, UC_ARM_REG_FAULTMASK) & 1U) != 0U) {
        level = -1;
    }
    return counter->pending_priority < level;
}

/* Why the block that begins at `start` must not run yet; RUNNING if it may. */
static uint32_t reason_to_wait(const counter_t *counter, uint32_t start) {
    if (counter->watched != 0U) {
        return WATCHED;
    }
    if (time_now(counter) >= counter->event_at) {
        return EVENT_DUE;
    }
    if (counter->pending_priority < NOT_PENDING && may_interrupt(counter) != 0U) {
        return INTERRUPTED;
    }
    if (is_stop_address(counter, start) != 0U) {
        return ADDRESS_REACHED;
    }
    if (counter->protection != NULL && usim_may_execute(counter->protection, start) == 0U) {
        return EXECUTE_DENIED;
    }
    return counter->instructions >= counter->budget ? BUDGET_SPENT : RUNNING;
}

/* Whether the block that was found must be looked at before it runs. */
static uint32_t is_to_be_looked_at(counter_t *counter, slot_t *slot, uint32_t size) {
    if (slot->inspect != 0U) {
        counter->inspect_reasons = slot->inspect;
        slot->inspect = 0; /* from now on the hook on the instruction watches it */
        counter->block_size = size;
        stop(counter, NEW_BLOCK);
        return 1;
    }
    if (counter->traps_fpu != 0U && slot->uses_fpu != 0U && counter->entered != CHECKED) {
        counter->block_size = size;
        stop(counter, USES_FPU);
        return 1;
    }
    return 0;
}

/* UC_HOOK_BLOCK over all memory. A block that is stopped here has not run and is not counted, but
 * for EVENT_INSIDE. */
USIM_EXPORT void usim_on_block(void *engine, uint64_t address, uint32_t size, void *user) {
    counter_t *counter = user;
    (void)engine;
    const uint32_t start = (uint32_t)address;
    if (counter->stop_reason != RUNNING) {
        counter->emu_stop(counter->engine);
        return;
    }
    if (counter->entered == COUNTED && start == counter->block_address) {
        counter->entered = NOT_ENTERED;
        return;
    }
    counter->block_address = start;
    counter->block_size = 0;
    counter->accessing = 0;
    counter->changed = 0;
    const uint32_t reason = reason_to_wait(counter, start);
    if (reason != RUNNING) {
        stop(counter, reason);
        return;
    }
    slot_t *slot = find_slot(counter, start, size);
    if (is_to_be_looked_at(counter, slot, size) != 0U) {
        return;
    }
    if (counter->waiting != NULL && counter->event_at != NEVER &&
        usim_is_waiting(counter->waiting, counter, start) != 0U) {
        stop(counter, WAITING);
        return;
    }
    counter->entered = NOT_ENTERED;
    counter->block_size = size;
    counter->instructions += slot->instructions;
    if (counter->timer != NULL) {
        usim_time_block(counter->timer, start, size, slot->instructions);
    }
    if (time_now(counter) > counter->event_at) {
        stop(counter, EVENT_INSIDE);
    }
}

USIM_EXPORT uint32_t usim_counter_behind(counter_t *counter, uint32_t pc) {
    const uint32_t end = counter->block_address + counter->block_size;
    if (pc < counter->block_address || pc >= end) {
        return 0;
    }
    return count_instructions(counter, pc, end - pc);
}

/* Whether an IT instruction of the current block makes the one at `pc` conditional (A7.3.2). */
static uint32_t is_in_it_block(counter_t *counter, uint32_t pc) {
    uint8_t bytes[MAX_BLOCK_BYTES];
    const uint32_t size = pc - counter->block_address;
    uint32_t left = 0;
    if (size > MAX_BLOCK_BYTES ||
        counter->mem_read(counter->engine, counter->block_address, bytes, size) != 0) {
        return 0;
    }
    for (uint32_t i = 0; i + 2U <= size;) {
        const uint16_t first = halfword_at(bytes + i);
        const uint32_t mask = first & 0xFU;
        if ((first & 0xFF00U) == 0xBF00U && mask != 0U) {
            left = 4U - (uint32_t)__builtin_ctz(mask);
        } else if (left != 0U) {
            left--;
        }
        i += is_wide(first) != 0U ? 4U : 2U;
    }
    return left != 0U;
}

/* End the run before the instruction at `pc`, inside the current block. */
static void stop_inside(counter_t *counter, uint32_t pc, uint32_t reason) {
    counter->instructions -= usim_counter_behind(counter, pc);
    counter->block_size = 0;
    counter->stopped_inside = 1;
    if (counter->timer != NULL) {
        usim_pause_timer(counter->timer, pc);
    }
    stop(counter, reason);
}

/* Why a run ends at a stop address. */
static uint32_t reason_at(const counter_t *counter, uint32_t address) {
    if (counter->watched != 0U) {
        return WATCHED;
    }
    return address == counter->inside_stop ? EVENT_DUE : ADDRESS_REACHED;
}

/* UC_HOOK_CODE on an address where a run may have to end inside a block. */
USIM_EXPORT void usim_on_stop_address(void *engine, uint64_t address, uint32_t size, void *user) {
    counter_t *counter = user;
    (void)engine;
    (void)size;
    if (counter->stop_reason != RUNNING || is_stop_address(counter, (uint32_t)address) == 0U) {
        return;
    }
    if (is_in_it_block(counter, (uint32_t)address) != 0U) {
        stop(counter, INSIDE_IT_BLOCK); /* the block is finished first */
    } else {
        stop_inside(counter, (uint32_t)address, reason_at(counter, (uint32_t)address));
    }
}

/* UC_HOOK_CODE behind a store to a register: it may have made something happen, or pend. */
USIM_EXPORT void usim_on_register_stored(void *engine, uint64_t address, uint32_t size,
                                         void *user) {
    counter_t *counter = user;
    const uint32_t at = (uint32_t)address;
    (void)engine;
    (void)size;
    usim_note_hook(counter);
    if (counter->changed == 0U || counter->stop_reason != RUNNING ||
        (time_now(counter) <= counter->event_at && may_interrupt(counter) == 0U) ||
        at == counter->block_address || is_in_it_block(counter, at) != 0U) {
        return;
    }
    /* An event that is still to come must not come early for an exception that was pended. */
    stop_inside(counter, at, may_interrupt(counter) != 0U ? INTERRUPTED : EVENT_DUE);
}

/*
 * UC_HOOK_CODE behind an instruction that is_special: what Unicorn does there that an Armv7-M core
 * does not. A handler can't set CONTROL.SPSEL, NMI and HardFault not FAULTMASK (B1.4.4), stack
 * pointers are multiples of 4, and CONTROL has three bits.
 */
static void align_stack_pointer(const counter_t *counter, int number) {
    uint32_t pointer = register_value(counter, number);
    if ((pointer & 3U) != 0U) {
        pointer &= ~3U;
        counter->reg_write(counter->engine, number, &pointer);
    }
}

USIM_EXPORT void usim_on_special_done(void *engine, uint64_t address, uint32_t size, void *user) {
    counter_t *counter = user;
    uint8_t bytes[4];
    (void)size;
    const uint32_t running = register_value(counter, UC_ARM_REG_IPSR) & 0x1FFU;
    uint32_t control = register_value(counter, UC_ARM_REG_CONTROL);
    if (running != 0U && (control & CONTROL_SPSEL) != 0U) {
        control &= ~CONTROL_SPSEL;
        counter->reg_write(engine, UC_ARM_REG_CONTROL, &control);
    }
    align_stack_pointer(counter, UC_ARM_REG_MSP);
    align_stack_pointer(counter, UC_ARM_REG_PSP);
    if ((running == 2U || running == 3U) && register_value(counter, UC_ARM_REG_FAULTMASK) != 0U) {
        const uint32_t clear = 0;
        counter->reg_write(engine, UC_ARM_REG_FAULTMASK, &clear);
    }
    if ((uint32_t)address == counter->block_address ||
        counter->mem_read(engine, address - 4U, bytes, sizeof bytes) != 0 ||
        is_control_read(halfword_at(bytes), halfword_at(bytes + 2)) == 0U) {
        return;
    }
    const int target = counter->register_ids[bytes[3] & 0xFU];
    const uint32_t value = register_value(counter, target) & 7U;
    counter->reg_write(engine, target, &value);
}

/* UC_HOOK_CODE on a SEV. */
USIM_EXPORT void usim_on_send_event(void *engine, uint64_t address, uint32_t size, void *user) {
    counter_t *counter = user;
    (void)engine;
    (void)address;
    (void)size;
    counter->event_register = 1;
}

/*
 * Before it calls a hook on memory, Unicorn restores the state of the instruction, ITSTATE
 * included, which its translated code neither uses nor clears. Left set, it would make the next
 * block that is entered conditional.
 */
void usim_clear_it_state(const counter_t *counter) {
    uint32_t status = 0;
    counter->reg_read(counter->engine, UC_ARM_REG_CPSR, &status);
    if ((status & ITSTATE) != 0U) {
        status &= ~ITSTATE;
        counter->reg_write(counter->engine, UC_ARM_REG_CPSR, &status);
    }
}

/* UC_HOOK_MEM_READ and _WRITE over all memory, while something is watched. */
USIM_EXPORT void usim_on_access_watching(void *engine, int type, uint64_t address, int size,
                                         int64_t value, void *user) {
    counter_t *counter = user;
    const uint32_t access = type == UC_MEM_WRITE ? WATCH_WRITES : WATCH_READS;
    const uint32_t first = (uint32_t)address;
    const uint32_t last = first + (uint32_t)size - 1U;
    (void)engine;
    (void)value;
    usim_clear_it_state(counter);
    for (uint32_t i = 0; i < counter->watch_count && counter->watched == 0U; i++) {
        const watch_t *watch = &counter->watches[i];
        if ((watch->accesses & access) != 0U && first <= watch->last && watch->first <= last) {
            counter->watched = i + 1U;
        }
    }
}

/* UC_HOOK_CODE over all memory, while something is watched: stops behind what was hit. */
USIM_EXPORT void usim_on_instruction_watching(void *engine, uint64_t address, uint32_t size,
                                              void *user) {
    counter_t *counter = user;
    (void)engine;
    (void)size;
    if (counter->watched != 0U && counter->stop_reason == RUNNING &&
        is_in_it_block(counter, (uint32_t)address) == 0U) {
        stop_inside(counter, (uint32_t)address, WATCHED);
    }
}

/* UC_HOOK_CODE on one SDIV or UDIV: with CCR.DIV_0_TRP set, a divisor of 0 is a UsageFault. */
USIM_EXPORT void usim_on_division(void *engine, uint64_t address, uint32_t size, void *user) {
    counter_t *counter = user;
    uint8_t bytes[4];
    uint32_t divisor = 1;
    (void)size;
    if (counter->trap_divide_by_zero == 0U || counter->stop_reason != RUNNING ||
        counter->mem_read(engine, address, bytes, sizeof bytes) != 0 ||
        is_division(halfword_at(bytes), halfword_at(bytes + 2)) == 0U) {
        return; /* other code may have been loaded here since the hook was set */
    }
    counter->reg_read(engine, counter->register_ids[bytes[2] & 0xFU], &divisor);
    if (divisor == 0U) {
        counter->instructions -= usim_counter_behind(counter, (uint32_t)address);
        counter->block_size = 0;
        counter->stopped_inside = 1;
        stop(counter, DIVIDED_BY_ZERO);
    }
}

/* UC_HOOK_CODE on an instruction of a block with INSPECT_MULTIPLE. */
USIM_EXPORT void usim_on_multiple(void *engine, uint64_t address, uint32_t size, void *user) {
    counter_t *counter = user;
    uint8_t bytes[4];
    (void)size;
    if (counter->stop_reason != RUNNING || counter->checks_alignment == 0U ||
        counter->mem_read(engine, address, bytes, sizeof bytes) != 0) {
        return;
    }
    const uint32_t base = base_of_aligned(halfword_at(bytes), halfword_at(bytes + 2));
    if (base != NO_BASE && (register_value(counter, counter->register_ids[base]) & 3U) != 0U &&
        is_in_it_block(counter, (uint32_t)address) == 0U) {
        stop_inside(counter, (uint32_t)address, IS_UNALIGNED);
    }
}

/* UC_HOOK_CODE on an instruction that may access a system register: notes where it is. */
USIM_EXPORT void usim_on_register_access(void *engine, uint64_t address, uint32_t size,
                                         void *user) {
    counter_t *counter = user;
    (void)engine;
    (void)size;
    usim_note_hook(counter);
    counter->accessing = (uint32_t)address;
}

/* What blocks are looked at for is another: all are new. */
USIM_EXPORT void usim_counter_look_again(counter_t *counter) {
    for (uint32_t i = 0; i < SLOTS; i++) {
        counter->slots[i].key = 0;
    }
}

/* Hooks on instructions were taken away: each block is stopped at once, for them to be set again.
 */
USIM_EXPORT void usim_counter_hook_again(counter_t *counter) {
    for (uint32_t i = 0; i < SLOTS; i++) {
        counter->slots[i].inspect |= INSPECT_AGAIN;
    }
    counter->inspect_all |= INSPECT_AGAIN; /* a block that lost its slot is no new one */
}

/* Code was written: what is known of blocks is void. */
USIM_EXPORT void usim_counter_forget(counter_t *counter) {
    usim_counter_look_again(counter);
    for (uint32_t i = 0; i < CODE_PAGES / 8U; i++) {
        counter->code_pages[i] = 0;
    }
}
