/*
 * counter.h - what counter.c (instructions) and timer.c (cycles) share.
 */
#ifndef USIM_COUNTER_H
#define USIM_COUNTER_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define USIM_EXPORT __declspec(dllexport)
#else
#define USIM_EXPORT __attribute__((visibility("default")))
#endif

#define MAX_BREAKPOINTS 64U
#define MAX_WATCHPOINTS 16U
#define SLOTS 65536U /* power of 2; a slot lost to a collision only costs a recount */
#define MAX_BLOCK_BYTES 4096U
#define CODE_PAGE_SHIFT                                                                            \
    10U /* what a microcontroller's linker script may tell code from data by                       \
         */
#define CODE_PAGES (1U << (32U - CODE_PAGE_SHIFT))

enum stop_reason {
    RUNNING = 0,
    BUDGET_SPENT = 1,
    ADDRESS_REACHED = 2,
    NEW_BLOCK = 3,
    DIVIDED_BY_ZERO = 4,
    INSIDE_IT_BLOCK = 5, /* ADDRESS_REACHED where Unicorn can't stop */
    WATCHED = 6,         /* behind an instruction that accessed what is watched */
    EVENT_DUE = 7,       /* `event_at` is reached: before the first instruction from then on */
    EVENT_INSIDE = 8,    /* it will be inside the block, which is counted and has not run */
    INTERRUPTED = 9,     /* an exception that waits may be taken */
    ACCESS_DENIED = 11,  /* a load or store, by the memory protection unit */
    EXECUTE_DENIED = 12, /* the block's start */
    IS_UNALIGNED = 13,   /* before an access that must be aligned and is not */
    USES_FPU = 10,       /* the block, which is not counted, has a floating-point instruction */
    WAITING = 14         /* the core was at this block before, with the same registers */
};

/* How the next block was left before it ran. */
enum entered { NOT_ENTERED = 0, CHECKED = 1, COUNTED = 2 };

#define NOT_PENDING 256 /* lower than any priority */
#define NEVER UINT64_MAX

enum watched_access { WATCH_READS = 1, WATCH_WRITES = 2 };

typedef struct {
    uint32_t first; /* addresses, both included */
    uint32_t last;
    uint32_t accesses;
} watch_t;

enum inspect_reason {
    INSPECT_DIVISION = 1,
    INSPECT_REGISTERS = 2, /* its code makes a pointer to system registers */
    INSPECT_ACCESSES = 4,
    INSPECT_POINTERS = 8, /* a core register holds one, to be used here or not */
    INSPECT_SEND_EVENT = 16,
    INSPECT_MULTIPLE = 64, /* loads and stores of several words */
    INSPECT_AGAIN = 128,   /* hooks that it may have had are gone */
    INSPECT_SPECIAL = 32   /* MRS or MSR CONTROL, or FAULTMASK is set */
};

typedef struct timer timer_t;
typedef struct protection protection_t;
typedef struct waiting waiting_t;

typedef struct {
    uint64_t key; /* address << 16 | size, plus 1 so that 0 means empty */
    uint32_t instructions;
    uint16_t inspect; /* something in it wants a hook: see needs_inspection */
    uint16_t uses_fpu;
} slot_t;

/* Shared with usim/timing/counter.py (ctypes). */
typedef struct {
    void *engine;
    int (*emu_stop)(void *engine);
    int (*mem_read)(void *engine, uint64_t address, void *bytes, uint64_t size);
    int (*reg_read)(void *engine, int reg, void *value);
    uint64_t instructions; /* executed, the whole of the current block included */
    uint64_t budget;       /* stop before a block once `instructions` has reached this */
    uint32_t block_address;
    uint32_t block_size;
    uint32_t stop_address;
    uint32_t stop_reason;
    uint32_t trap_divide_by_zero; /* CCR.DIV_0_TRP */
    uint32_t stopped_inside;      /* the run ended inside the current block, not before it */
    int32_t register_ids[16];     /* Unicorn's numbers of r0-r15 */
    timer_t *timer;               /* NULL: only instructions are counted */
    uint32_t inspect_all;     /* stop before every block that is new, not only those that divide */
    uint32_t accessing;       /* the hooked instruction that runs, 0 since the block began */
    uint32_t inspect_reasons; /* of the block that NEW_BLOCK stopped before */
    uint32_t breakpoint_count;
    uint32_t breakpoints[MAX_BREAKPOINTS]; /* stop addresses besides stop_address */
    int (*reg_write)(void *engine, int reg, const void *value);
    uint32_t watched; /* 1 + the place in `watches` of one that was hit */
    uint32_t watch_count;
    watch_t watches[MAX_WATCHPOINTS];
    uint64_t event_at;         /* when something happens, in cycles or instructions; NEVER */
    int32_t pending_priority;  /* of the exception that waits for its turn; NOT_PENDING */
    uint32_t group_mask;       /* the bits of a priority that decide about preemption */
    uint32_t changed;          /* event_at or pending_priority, by an instruction of this block */
    uint32_t inside_stop;      /* where the run ends inside the block, for an event; 1: nowhere */
    uint32_t entered;          /* enum entered */
    uint32_t traps_fpu;        /* stop before blocks that use the floating-point unit */
    uint32_t event_register;   /* of WFE; set by SEV */
    uint32_t counts_cycles;    /* time is the timer's, else that of instructions */
    uint32_t checks_alignment; /* of loads and stores of several words */
    uint32_t traps_unaligned;  /* CCR.UNALIGN_TRP */
    protection_t *protection;  /* NULL: everything is allowed, as while the MPU is off */
    waiting_t *waiting;        /* NULL: loops that wait are not looked for */
    uint64_t counting_reads;   /* loads from registers that count, answered here */
    uint32_t course_count;     /* of these, how many go on as is known: 0 once that may change */
    uint32_t hooks;            /* on instructions, by the host */
    uint64_t hook_steps;       /* how many of them Unicorn has looked at to find those to call */
    uint8_t code_pages[CODE_PAGES / 8U]; /* bit set: code has run there since usim_counter_forget */
    slot_t slots[SLOTS];
} counter_t;

/* Leave no ITSTATE behind from within a hook on memory. */
void usim_clear_it_state(const counter_t *counter);

/* A hook on an instruction is called: Unicorn goes through the list of all to find it. */
static inline void usim_note_hook(counter_t *counter) {
    counter->hook_steps += counter->hooks;
}

/* How many instructions of the current block lie at or behind `pc`. */
uint32_t usim_counter_behind(counter_t *counter, uint32_t pc);

/* The current block is left at `pc`, and may go on from there in the next run. */
void usim_pause_timer(timer_t *timer, uint32_t pc);

/* Price the block that is about to run, and how the one before it ended. */
void usim_time_block(timer_t *timer, uint32_t start, uint32_t size, uint32_t instructions);

#endif
