"""Firmware that uses the RTC's alarms and wake-up timer as ST's driver does."""

from __future__ import annotations

import pytest
from firmware_runs import run

CORE_HZ = 16_000_000

RTC = """
#define RTC(offset) REGISTER(0x40002800U + (offset))
enum { TR = 0, DR = 4, CR = 8, ISR = 12, PRER = 16, WUTR = 20, ALRMAR = 28, WPR = 36, SSR = 40,
       ALRMASSR = 68 };
enum { INITF = 64, INIT = 128, ALRAF = 256, WUTF = 1024 };
enum { TIMES = 4 };
static volatile uint32_t count;
static uint32_t came_at[TIMES];

static void start_rtc(uint32_t source, uint32_t prescalers, uint32_t time) {
    RCC_APB1ENR |= 1U << 28;
    PWR_CR1 |= 1U << 8; /* DBP */
    RCC_CSR |= 1U;      /* LSION */
    RCC_BDCR |= 1U;     /* LSEON */
    while ((RCC_BDCR & 2U) == 0U) {
    }
    RCC_BDCR |= source << 8 | 1U << 15;
    RTC(WPR) = 0xCAU;
    RTC(WPR) = 0x53U;
    RTC(ISR) = 0xFFFFFFFFU;
    while ((RTC(ISR) & INITF) == 0U) {
    }
    RTC(PRER) = prescalers;
    RTC(TR) = time;
    RTC(DR) = 0x260000U | 3U << 13 | 0x1125U; /* Wednesday, 2026-11-25 */
    RTC(ISR) &= ~(uint32_t)INIT;
}

static void clear_flag(uint32_t flag) {
    RTC(ISR) = ~(flag | INIT) | (RTC(ISR) & INIT);
}

static void note(void) {
    const uint32_t now = CYCCNT;
    if (count < TIMES) {
        came_at[count++] = now;
    }
}

static void listen(uint32_t line, uint32_t interrupt, void (*handler)(void)) {
    REGISTER(0xE0042004U) |= 1U; /* DBG_SLEEP: CYCCNT counts while the core sleeps */
    count_cycles();
    EXTI_IMR |= 1U << line;
    EXTI_RTSR |= 1U << line;
    handle(interrupt, handler);
}

static void wait_and_tell(void) {
    while (count < TIMES) {
        sleep();
    }
    tell("all", came_at[TIMES - 1] - came_at[0]);
}
"""
WAKE_UP = (
    RTC
    + """
static void on_wake_up(void) {
    note();
    EXTI_PR = 1U << 22;
    clear_flag(WUTF);
}
int main(void) {
    start_rtc(SOURCE, PRESCALERS, 0x120000U);
    listen(22U, 3U, on_wake_up);
    RTC(CR) &= ~(1U << 10 | 1U << 14); /* WUTE, WUTIE */
    while ((RTC(ISR) & 4U) == 0U) { }  /* WUTWF */
    RTC(WUTR) = RELOAD;
    RTC(CR) &= ~7U;
    RTC(CR) |= SELECTION;
    RTC(CR) |= 1U << 14;
    RTC(CR) |= 1U << 10;
    wait_and_tell();
    return 0;
}
"""
)


@pytest.mark.parametrize(("timing", "platform"), [("count", "stm32f746"), ("full", "stm32f767")])
@pytest.mark.parametrize(
    ("selection", "reload", "period_s"), [(0, 19, 20 * 16 / 32_768), (3, 0, 2 / 32_768), (4, 1, 2)]
)
def test_the_wake_up_timer_wakes_the_core_in_time(
    selection, reload, period_s, timing, platform, tmp_path
):
    """From the LSE, whose calendar has a second of 128 times 256 ticks."""
    facts = "SOURCE 1U", "PRESCALERS 0x7F00FFU", f"SELECTION {selection}U", f"RELOAD {reload}U"
    program = "".join(f"#define {fact}\n" for fact in facts) + WAKE_UP
    cycles = run(program, tmp_path, timing=timing, platform=platform)["all"]
    assert cycles == pytest.approx(3 * period_s * CORE_HZ, abs=1 if timing == "count" else 100)


@pytest.mark.parametrize("timing", ["count", "full"])
def test_an_alarm_wakes_the_core_at_a_fraction_of_each_tenth_second(timing, tmp_path):
    """From the LSI, with PREDIV_A = 124, PREDIV_S = 255: at 7, 17, 27 ... seconds and a quarter."""
    program = (
        RTC
        + """
static volatile uint32_t time, subseconds;
static void on_alarm(void) {
    note();
    subseconds = RTC(SSR);
    time = RTC(TR);
    (void)RTC(DR);
    clear_flag(ALRAF);
    EXTI_PR = 1U << 17;
    /* The next one ten seconds on, which is for an alarm that is off. */
    RTC(CR) &= ~(1U << 8);
    while ((RTC(ISR) & 1U) == 0U) { }
    RTC(ALRMAR) += 0x10U;
    RTC(CR) |= 1U << 8;
}
int main(void) {
    start_rtc(2U, 0x7C00FFU, 0x095958U);
    listen(17U, 41U, on_alarm);
    RTC(CR) &= ~(1U << 8 | 1U << 12);
    while ((RTC(ISR) & 1U) == 0U) { } /* ALRAWF */
    RTC(ALRMAR) = 1U << 31 | 0x100007U; /* 10:00:07 of any day */
    RTC(ALRMASSR) = 15U << 24 | 0xBFU;
    RTC(CR) |= 1U << 8;
    RTC(CR) |= 1U << 12;
    wait_and_tell();
    tell("time", time);
    tell("subseconds", subseconds);
    return 0;
}
"""
    )
    told = run(program, tmp_path, timing=timing)
    assert told["all"] == pytest.approx(30 * CORE_HZ, abs=1 if timing == "count" else 100)
    assert (told["time"], told["subseconds"]) == (0x10_0037, 0xBF)


@pytest.mark.parametrize("timing", ["count", "full"])
def test_a_program_that_polls_the_calendar_sees_every_second(timing, tmp_path):
    """Beside a SysTick in a quarter of a second, that nothing waits for."""
    program = (
        RTC
        + """
int main(void) {
    count_cycles();
    REGISTER(0xE000E014U) = 3999999U;
    REGISTER(0xE000E010U) = 5U;
    start_rtc(1U, 0x7F00FFU, 0U);
    uint32_t last = RTC(TR);
    for (uint32_t i = 0; i < TIMES; i++) {
        while (RTC(TR) == last) { }
        note();
        if (RTC(TR) != last + 1U) { return 1; }
        last++;
    }
    wait_and_tell();
    return 0;
}
"""
    )
    told = run(program, tmp_path, timing=timing)
    assert told["all"] == pytest.approx(3 * CORE_HZ, abs=60)
