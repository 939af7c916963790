#include <stdint.h>

void print(const char *text);

volatile int numbers[4] = {1, 2, 3, 4};
static int total;  /* .bss */
volatile int sink;

static inline __attribute__((always_inline)) int weigh(int value) {
    return value * value + 3;
}

__attribute__((noinline)) int fibonacci(int n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

__attribute__((noinline)) int weighted(int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) {
        sum += weigh(numbers[i & 3]);
        sink = sum;
    }
    return sum;
}

/* Ten times two instructions that pair: ten cycles. */
__attribute__((naked, noinline)) void count_down(int n) {
    __asm volatile(".p2align 3\n1: subs r0, #1\n bne 1b\n bx lr");
}

__attribute__((noinline)) int add_one(int value) {
    sink = value;
    return value + 1;
}

/* A tail call: what it calls returns to its caller. */
__attribute__((noinline)) int tail(int value) {
    sink = value + 1;
    return add_one(value * 2);
}

__attribute__((noinline)) int deep(void) {
    volatile char room[1000];
    for (int i = 0; i < 1000; i++) {
        room[i] = (char)(i ^ sink);
    }
    return room[999];
}

int never(int value) {
    return value + sink;
}

int main(void) {
    print("hello\n");
    total += fibonacci(10);
    total += weighted(100);
    count_down(1000);
    total += tail(3);
    total += deep();
    return sink == -1 ? never(1) : 7;
}
