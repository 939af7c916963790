/*
 * runtime.h - records that the host and the runtime share. usim/abi.py packs and unpacks the same
 * layouts; the assertions below and tests/unit/test_abi.py keep the two together.
 */
#ifndef USIM_RUNTIME_H
#define USIM_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#define USIM_BATCH_MAGIC 0x7573696DU /* "usim" */
#define USIM_STACK_PAINT 0xA5A5A5A5U
#define USIM_GUARD 0x6D697375U
#define USIM_MAX_POOLS 4U

enum usim_task_state {
    USIM_TASK_WAITING = 0,
    USIM_TASK_RUNNING = 1,
    USIM_TASK_DONE = 2,
    USIM_TASK_FAILED = 3,         /* it returned other than 0 */
    USIM_TASK_STACK_OVERFLOW = 4, /* the lowest word of the task stack was written */
    USIM_TASK_GUARD_BROKEN = 5,   /* it wrote behind a tensor; status is its argument's index */
    USIM_TASK_NULL_WRITE = 6,     /* it wrote through a null pointer */
};

#define USIM_TASK_RETURNS_STATUS 1U /* flags: r0 is a status (else the function returns void) */

typedef struct {
    uint32_t function;    /* its address, bit 0 set */
    uint32_t arguments;   /* float_words words for s0.., then core_words for r0-r3 and the stack */
    uint16_t core_words;  /* count of words for r0-r3 and the stack */
    uint16_t float_words; /* 0 or 16 */
    uint16_t flags;
    uint16_t guard_count;
    uint32_t guards; /* addresses of guard words to check after the task */
    uint32_t state;  /* enum usim_task_state; this and the rest are written by the runtime */
    int32_t status;
    uint32_t cycles; /* the counter after minus before the call */
} usim_task_t;

/* At the start of the args section; usim_task_t records follow it. */
typedef struct {
    uint32_t magic;
    uint32_t task_count;
    uint32_t current;        /* index of the task that runs, or task_count when all did */
    uint32_t last_error;     /* address of the text given to usim_set_last_error, or 0 */
    uint32_t workspace_peak; /* bytes, since the runtime was loaded */
    uint32_t faulted;        /* 1 if usim_fault holds a record */
    uint32_t reserved[2];
} usim_batch_t;

#define USIM_CONFIG_NULL_GUARD 2U /* flags: guard words lie at address 0 */
#define USIM_NULL_GUARD_WORDS 8U
#define USIM_CONFIG_CACHES 1U /* flags: the caches are on while tasks run */

/* Filled in by the host when it loads the runtime. */
typedef struct {
    uint32_t batch;      /* address of usim_batch_t */
    uint32_t task_stack; /* lowest address of the tasks' stack */
    uint32_t task_stack_top;
    uint32_t handler_stack_top; /* the handlers' own stack, above the tasks' */
    uint32_t pool_count;
    struct {
        uint32_t base;
        uint32_t size_bytes;
    } pools[USIM_MAX_POOLS]; /* the workspace */
    uint32_t flags;
    uint32_t null; /* 0, in memory: what the compiler knows to be null it would not read */
} usim_config_t;

/* What a fault handler found. */
typedef struct {
    uint32_t exception; /* 3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault, others unexpected */
    uint32_t cfsr;
    uint32_t hfsr;
    uint32_t mmfar;
    uint32_t bfar;
    uint32_t exc_return;
    uint32_t sp;        /* before the exception */
    uint32_t frame[8];  /* r0-r3, r12, lr, pc, xpsr; zero if the frame is not in memory */
    uint32_t has_frame; /* 0 if stacking itself failed */
} usim_fault_t;

/* Which step of the clock's set-up failed. */
enum usim_clock_failure {
    USIM_CLOCK_READY = 0,
    USIM_CLOCK_HSI = 1,
    USIM_CLOCK_PLL_OFF = 2,
    USIM_CLOCK_OVER_DRIVE = 3,
    USIM_CLOCK_FLASH = 4,
    USIM_CLOCK_PLL = 5,
    USIM_CLOCK_VOLTAGE = 6,
    USIM_CLOCK_SWITCH = 7,
    USIM_CLOCK_FAULT = 8,
};

/* How the clock's set-up ended, and the registers as they read afterwards. */
typedef struct {
    uint32_t failure; /* enum usim_clock_failure */
    uint32_t cfgr;
    uint32_t pllcfgr;
    uint32_t flash_acr;
} usim_clock_t;

_Static_assert(sizeof(usim_task_t) == 32, "shared with usim/abi.py");
_Static_assert(sizeof(usim_batch_t) == 32, "shared with usim/abi.py");
_Static_assert(sizeof(usim_config_t) == 60, "shared with usim/abi.py");
_Static_assert(sizeof(usim_fault_t) == 64, "shared with usim/abi.py");
_Static_assert(sizeof(usim_clock_t) == 16, "shared with usim/abi.py");

extern usim_config_t usim_config;
extern usim_fault_t usim_fault;
extern usim_clock_t usim_clock; /* only where the clock is set up */

void usim_start(void);
void usim_done(void);
void usim_run_batch(void);
void usim_fault_entry(void);
void usim_clock_set_up(void);
void usim_caches_on(void);
void usim_caches_off(void);

void *usim_runtime_workspace_alloc(uint32_t size_bytes);
int32_t usim_runtime_workspace_free(void *block);
void usim_runtime_set_last_error(const char *text);
uint32_t usim_runtime_cycles(void);

void usim_workspace_reset(void);
uint32_t usim_workspace_peak(void);

#endif
