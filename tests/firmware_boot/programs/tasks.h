/* tasks.h - tasks that share the core: round robin by SysTick, delays, a stack each.
 *
 * A task runs in thread mode on the process stack (PSP), handlers on the main stack. PendSV, the
 * least urgent exception, changes tasks: it comes when no other handler is active, so it never has
 * to care for one. */
#ifndef TASKS_H
#define TASKS_H

#include <stdint.h>

enum { TASK_STACK_WORDS = 192 };

/* A task that runs `function`, which must not return. Before tasks_start only. */
void task_create(void (*function)(void));
/* Gives the core to the tasks, with a tick each 1,000th of a second. */
_Noreturn void tasks_start(uint32_t core_hz);
/* Lets others run for so many ticks. */
void task_delay(uint32_t ticks);
/* How often the core went from one task to another. */
uint32_t task_switches(void);

#endif
