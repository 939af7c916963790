/* support.c - start-up, the vector table, the way to handlers in C, and the trace. */
#include "conform.h"

enum { TRACE_SIZE = 16384 };

static handler handlers[EXCEPTIONS];
static char trace[TRACE_SIZE];
static uint32_t trace_length;
uintptr_t attempted;
uint32_t return_with;

extern uint32_t data_start[], data_end[], data_source[], bss_start[], bss_end[], stack_top[];
int main(void);

/* Semihosting: the debugger, here the emulator, does what r0 asks. */
static void ask_debugger(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

_Noreturn void finish(void) {
    static const uint32_t application_exit[2] = {0x20026U, 0U};
    MPU_CTRL = 0U; /* QEMU reads the trace as the core would */
    settle();
    trace[trace_length] = '\0';
    ask_debugger(0x04U, trace);            /* SYS_WRITE0 */
    ask_debugger(0x20U, application_exit); /* SYS_EXIT_EXTENDED */
    for (;;) {
    }
}

static void put(char character) {
    if (trace_length < TRACE_SIZE - 1U) {
        trace[trace_length++] = character;
    }
}

static void put_text(const char *text) {
    while (*text != '\0') {
        put(*text++);
    }
}

void say(const char *text) {
    put_text(text);
    put('\n');
}

void show(const char *what, uint32_t value) {
    put_text(what);
    put_text(" 0x");
    for (unsigned shift = 32U; shift > 0U;) {
        shift -= 4U;
        put("0123456789abcdef"[(value >> shift) & 0xFU]);
    }
    put('\n');
}

void show_fault_status(void) {
    show("  CFSR", CFSR);
    show("  HFSR", HFSR);
    CFSR = 0xFFFFFFFFU;
    HFSR = 0xFFFFFFFFU;
}

void attempt(const char *what, void (*function)(uint32_t, uint32_t), uint32_t r0, uint32_t r1) {
    const uintptr_t before = attempted;
    say(what);
    attempted = (uintptr_t)function & ~1U;
    function(r0, r1);
    attempted = before;
}

void abandon(struct frame *frame, uint32_t exc_return) {
    (void)exc_return;
    show("  exception", get_ipsr());
    const uint32_t offset = frame->pc - attempted;
    if (offset < 64U) {
        show("  pc, from the function's start", offset);
    } else {
        show("  pc", frame->pc);
    }
    show_fault_status();
    frame->pc = frame->lr & ~1U;
    frame->xpsr = (frame->xpsr & ~0x0600FC00U) | (1U << 24); /* Thumb, in no IT block */
}

uint32_t process_stack[128] __attribute__((aligned(512)));

__attribute__((naked, noinline)) static void
call_with_control(__attribute__((unused)) void (*function)(void),
                  __attribute__((unused)) uint32_t control) {
    __asm volatile("push {r4, lr}\n"
                   "ldr r2, =process_stack + 512\n"
                   "msr psp, r2\n"
                   "msr control, r1\n"
                   "isb\n"
                   "blx r0\n"
                   "mrs r0, control\n"
                   "tst r0, #1\n"
                   "it ne\n"
                   "svcne #255\n" /* `dispatch` makes it privileged */
                   "movs r0, #0\n"
                   "msr control, r0\n"
                   "isb\n"
                   "pop {r4, pc}\n");
}

void on_process_stack(void (*function)(void)) {
    call_with_control(function, 2U);
}

void unprivileged(void (*function)(void)) {
    call_with_control(function, 3U);
}

/* Whether an exception is the call by which unprivileged code ends. */
static bool ends_unprivileged(const struct frame *frame, uint32_t exception) {
    if (exception != SVCALL || HALFWORD(frame->pc - 2U) != 0xDFFFU) {
        return false;
    }
    set_control(get_control() & ~1U);
    return true;
}

void handle(unsigned exception, handler function) {
    handlers[exception] = function;
}

/* All handlers begin here, with the frame in r0 and EXC_RETURN in r1; returns what to return with.
 */
__attribute__((used)) static uint32_t dispatch(struct frame *frame, uint32_t exc_return) {
    const uint32_t exception = get_ipsr();
    if (ends_unprivileged(frame, exception)) {
        return exc_return;
    }
    if (exception >= EXCEPTIONS || handlers[exception] == NULL) {
        show("an exception without a handler:", exception);
        show("  EXC_RETURN", exc_return);
        show("  pc", frame->pc);
        show("  lr", frame->lr);
        show_fault_status();
        finish();
    }
    handlers[exception](frame, exc_return);
    settle(); /* what the handler wrote has its effect before the return */
    const uint32_t other = return_with;
    return_with = 0U;
    return other != 0U ? other : exc_return;
}

__attribute__((naked)) static void enter(void) {
    __asm volatile("tst lr, #4\n"
                   "ite eq\n"
                   "mrseq r0, msp\n"
                   "mrsne r0, psp\n"
                   "mov r1, lr\n"
                   "push {r1, lr}\n"
                   "bl dispatch\n"
                   "add sp, sp, #8\n"
                   "bx r0\n");
}

static void start(void) {
    const uint32_t *source = data_source;
    for (uint32_t *word = data_start; word < data_end;) {
        *word++ = *source++;
    }
    for (uint32_t *word = bss_start; word < bss_end;) {
        *word++ = 0U;
    }
    (void)main();
    finish();
}

#define FOUR enter, enter, enter, enter
__attribute__((section(".vectors"), used)) static void (*const vectors[EXCEPTIONS])(void) = {
    (void (*)(void))stack_top,
    start,
    enter,
    enter,
    FOUR,
    FOUR,
    FOUR,
    FOUR,
    FOUR,
    FOUR,
    FOUR,
    FOUR,
    FOUR,
    FOUR,
    FOUR,
};
