/* tasks.c - round robin by SysTick and PendSV. See tasks.h. */
#include "tasks.h"

#include "stm32f746.h"

enum { MOST_TASKS = 4 };

typedef struct {
    uint32_t *top; /* of the saved registers, while the task does not run */
    uint32_t wakes_at;
    uint32_t stack[TASK_STACK_WORDS] __attribute__((aligned(8)));
} task;

static task tasks[MOST_TASKS + 1]; /* the last one sleeps when no other can run */
static uint32_t task_count;
static uint32_t running;
static volatile uint32_t ticks;
static uint32_t switches;

/* What PendSV takes off a stack: r4 to r11 and EXC_RETURN, then what the hardware takes (B1.5.6).
 */
static void prepare(task *task, void (*function)(void)) {
    uint32_t *top = &task->stack[TASK_STACK_WORDS];
    *--top = 1U << 24;                      /* xPSR: Thumb */
    *--top = (uint32_t)(uintptr_t)function; /* pc; its bit 0 is not looked at */
    for (unsigned i = 0; i < 6U; i++) {
        *--top = 0U; /* lr, r12, r3 to r0 */
    }
    *--top = 0xFFFFFFFDU; /* thread mode, PSP, no floating-point frame */
    for (unsigned i = 0; i < 8U; i++) {
        *--top = 0U; /* r11 to r4 */
    }
    task->top = top;
}

void task_create(void (*function)(void)) {
    prepare(&tasks[task_count++], function);
}

static void idle(void) {
    for (;;) {
        wait_for_interrupt();
    }
}

/* Saves where the running task is, and tells where the next one was. */
__attribute__((used)) static uint32_t *next_task(uint32_t *top) {
    tasks[running].top = top;
    const uint32_t before = running;
    running = task_count; /* the idle one, unless there is another */
    for (uint32_t i = 1; i <= task_count; i++) {
        const uint32_t candidate = (before + i) % task_count;
        if ((int32_t)(ticks - tasks[candidate].wakes_at) >= 0) {
            running = candidate;
            break;
        }
    }
    switches += running != before ? 1U : 0U;
    return tasks[running].top;
}

/* s16 to s31 are saved only for a task that uses the FPU: bit 4 of EXC_RETURN is clear then. s0 to
 * s15 are the hardware's to save, lazily: the VSTMDB here, as the first floating-point instruction,
 * has them stored. */
__attribute__((naked)) void PendSV_Handler(void) {
    __asm volatile("mrs r0, psp\n"
                   "tst lr, #0x10\n"
                   "it eq\n"
                   "vstmdbeq r0!, {s16-s31}\n"
                   "stmdb r0!, {r4-r11, lr}\n"
                   "bl next_task\n"
                   "ldmia r0!, {r4-r11, lr}\n"
                   "tst lr, #0x10\n"
                   "it eq\n"
                   "vldmiaeq r0!, {s16-s31}\n"
                   "msr psp, r0\n"
                   "bx lr\n");
}

void SysTick_Handler(void) {
    ticks++;
    SCB_ICSR = ICSR_PENDSVSET;
}

/* The first task begins like any other, by a return from an exception. */
__attribute__((naked)) void SVC_Handler(void) {
    __asm volatile("ldr r0, =tasks\n"
                   "ldr r0, [r0]\n"
                   "ldmia r0!, {r4-r11, lr}\n"
                   "msr psp, r0\n"
                   "bx lr\n"
                   ".ltorg\n");
}

_Noreturn void tasks_start(uint32_t core_hz) {
    prepare(&tasks[task_count], idle);
    SCB_SHPR3 = 0xFFU << 16; /* PendSV last, SysTick first */
    SYST_RVR = core_hz / 1000U - 1U;
    SYST_CVR = 0U;
    SYST_CSR = SYST_RUN;
    /* From here on the main stack is the handlers': main's floats need no frame on it. */
    __asm volatile("msr control, %0\n isb\n svc 0" ::"r"(0) : "memory");
    __builtin_unreachable();
}

void task_delay(uint32_t for_ticks) {
    tasks[running].wakes_at = ticks + for_ticks;
    SCB_ICSR = ICSR_PENDSVSET;
    __asm volatile("dsb\n isb" ::: "memory"); /* it is taken here */
}

uint32_t task_switches(void) {
    return switches;
}
