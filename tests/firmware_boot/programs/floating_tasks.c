/* floating_tasks.c - two tasks that compute with floats, one that waits for them; see tasks.h.
 *
 * The tasks are interrupted anywhere in their sums. If one float of one register got lost at a
 * change of tasks, the sums would not be what they are when computed alone. */
#include "console.h"
#include "stm32f746.h"
#include "tasks.h"

enum { TERMS = 20000 };

static volatile float sums[2];
static volatile uint32_t finished;

/* 1 + 1/4 + 1/9 ..., which tends to pi^2 / 6, with a factor. */
static float series(float factor) {
    float sum = 0.0F;
    for (uint32_t i = 1; i <= TERMS; i++) {
        sum += factor / ((float)i * (float)i);
    }
    return sum;
}

static void finish(uint32_t number, float sum) {
    sums[number] = sum;
    finished |= 1U << number;
    for (;;) {
        task_delay(1000);
    }
}

static void first(void) {
    finish(0, series(1.0F));
}

static void second(void) {
    finish(1, series(3.0F));
}

static void reporter(void) {
    uint32_t waits = 0;
    while (finished != 3U) {
        task_delay(2);
        waits++;
    }
    console_value("first", (uint32_t)(sums[0] * 1000000.0F));
    console_value("second", (uint32_t)(sums[1] * 1000000.0F));
    console_text(sums[0] == series(1.0F) && sums[1] == series(3.0F) ? "equal\n" : "different\n");
    console_text(task_switches() >= 2U * waits && waits > 2U ? "interleaved\n"
                                                             : "not interleaved\n");
    console_text("done\n");
    console_flush();
    for (;;) {
        task_delay(1000);
    }
}

int main(void) {
    console_open(HSI_HZ);
    task_create(first);
    task_create(second);
    task_create(reporter);
    tasks_start(HSI_HZ);
}
