/*
 * tasks.c - the task loop: calls each queued function, times it, and stops at the first that fails.
 */
#include "registers.h"
#include "runtime.h"

#define QUOTE(text) #text
#define TEXT_OF(macro) QUOTE(macro)
#define COUNTER_LOW_HALF "#(" TEXT_OF(USIM_COUNTER) " & 0xFFFF)\n"
#define COUNTER_HIGH_HALF "#(" TEXT_OF(USIM_COUNTER) " >> 16)\n"

/*
 * Call `function` as the Arm procedure call standard (hard-float variant) has it: `words` holds
 * `float_words` (0 or 16) words for s0-s15, then `core_words` words for r0-r3 and the stack.
 * The counter is read right before and right after the call; the difference goes to *ticks.
 */
#define IN_REGISTER __attribute__((unused)) /* as far as the compiler sees */
__attribute__((naked, noinline)) static int32_t call(IN_REGISTER uint32_t function,
                                                     IN_REGISTER const uint32_t *words,
                                                     IN_REGISTER const usim_task_t *task,
                                                     IN_REGISTER uint32_t *ticks) {
    __asm volatile("push {r3, r4-r8, r11, lr}\n"
                   "mov  r11, sp\n"
                   "mov  r4, r0\n"
                   "ldrh r5, [r2, #8]\n"  /* core_words */
                   "ldrh r6, [r2, #10]\n" /* float_words */
                   "mov  r7, r1\n"
                   "cbz  r6, 1f\n"
                   "vldmia r7!, {s0-s15}\n"
                   "1:\n" /* words beyond the fourth go to the stack, which stays 8-byte aligned */
                   "subs r6, r5, #4\n"
                   "ble  3f\n"
                   "adds r8, r6, #1\n"
                   "bic  r8, r8, #1\n"
                   "sub  sp, sp, r8, lsl #2\n"
                   "add  r0, r7, #16\n"
                   "mov  r1, sp\n"
                   "2:\n"
                   "ldr  r2, [r0], #4\n"
                   "str  r2, [r1], #4\n"
                   "subs r6, r6, #1\n"
                   "bne  2b\n"
                   "3:\n" /* the block always has room for four words */
                   "ldmia r7, {r0-r3}\n"
                   "movw r5, " COUNTER_LOW_HALF  /* of what counts */
                   "movt r5, " COUNTER_HIGH_HALF /* CYCCNT, where there is one */
                   "ldr  r6, [r5]\n"
                   "blx  r4\n"
                   "ldr  r5, [r5]\n"
                   "subs r5, r5, r6\n"
                   "mov  sp, r11\n"
                   "ldr  r1, [sp]\n"
                   "str  r5, [r1]\n"
                   "pop  {r3, r4-r8, r11, pc}\n");
}

/* Index of the first broken guard, or -1. */
static int32_t broken_guard(const usim_task_t *task) {
    const uint32_t *const *guards = (const uint32_t *const *)task->guards;
    for (int32_t i = 0; i < (int32_t)task->guard_count; i++) {
        const uint32_t *guard = guards[i];
        if (guard != NULL && (guard[0] != USIM_GUARD || guard[1] != USIM_GUARD)) {
            return i;
        }
    }
    return -1;
}

/* Where memory begins at address 0, a write through a null pointer hits these words, and no fault.
 */
static int32_t wrote_through_null(void) {
    const volatile uint32_t *guard = (const volatile uint32_t *)usim_config.null;
    if ((usim_config.flags & USIM_CONFIG_NULL_GUARD) == 0U) {
        return 0;
    }
    for (uint32_t i = 0; i < USIM_NULL_GUARD_WORDS; i++) {
        if (guard[i] != USIM_GUARD) {
            return 1;
        }
    }
    return 0;
}

static void run_task(usim_task_t *task) {
    task->state = USIM_TASK_RUNNING;
    uint32_t ticks = 0;
    const int32_t result = call(task->function, (const uint32_t *)task->arguments, task, &ticks);
    task->cycles = USIM_COUNT(ticks);
    task->status = (task->flags & USIM_TASK_RETURNS_STATUS) != 0U ? result : 0;
    usim_workspace_reset();

    const int32_t guard = broken_guard(task);
    if (*(const uint32_t *)usim_config.task_stack != USIM_STACK_PAINT) {
        task->state = USIM_TASK_STACK_OVERFLOW;
    } else if (wrote_through_null() != 0) {
        task->state = USIM_TASK_NULL_WRITE;
    } else if (guard >= 0) {
        task->status = guard;
        task->state = USIM_TASK_GUARD_BROKEN;
    } else {
        task->state = task->status == 0 ? USIM_TASK_DONE : USIM_TASK_FAILED;
    }
}

void usim_run_batch(void) {
    usim_batch_t *batch = (usim_batch_t *)usim_config.batch;
    if (batch->magic != USIM_BATCH_MAGIC) {
        return;
    }
    usim_task_t *tasks = (usim_task_t *)(batch + 1);
    usim_workspace_reset();
    for (uint32_t i = 0; i < batch->task_count; i++) {
        batch->current = i;
        batch->last_error = 0U; /* what an earlier task said is no concern of this one */
        run_task(&tasks[i]);
        if (tasks[i].state != USIM_TASK_DONE) {
            break;
        }
        batch->current = i + 1U;
    }
    batch->workspace_peak = usim_workspace_peak();
}

void usim_runtime_set_last_error(const char *text) {
    ((usim_batch_t *)usim_config.batch)->last_error = (uint32_t)(uintptr_t)text;
}

uint32_t usim_runtime_cycles(void) {
    const uint32_t ticks = USIM_REGISTER(USIM_COUNTER);
    return USIM_COUNT(ticks);
}
