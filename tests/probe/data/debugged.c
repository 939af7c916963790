#include <stdint.h>

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define NOWHERE ((volatile int *)0x60000000)

void print(const char *text);

volatile int level = 5; /* what a debugger changes to choose where it goes */
volatile float ratio;
volatile uint32_t spins;
int history[4];
uint8_t table[3000] = {1, 2, 3};

__attribute__((noinline)) int scale(int value, int factor) {
    int product = value * factor;
    history[value & 3] = product;
    return product;
}

__attribute__((noinline)) int fill(int first) {
    int sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += scale(first + i, level);
    }
    return sum;
}

__attribute__((noinline)) void spin(void) {
    print("spinning\n");
    for (;;) {
        spins++;
    }
}

__attribute__((noinline)) int fault(int value) {
    *NOWHERE = value; /* the fault */
    return value;
}

int main(void) {
    CPACR |= 0xFu << 20; /* the FPU on */
    ratio = 1.5f;
    int total = fill(1);
    print("filled\n");
    ratio = ratio * (float)total;
    if (level == 6) {
        spin();
    }
    if (level == 7) {
        __asm volatile("bkpt 1");
    }
    if (level == 8) {
        (void)fault(total);
    }
    return total;
}
