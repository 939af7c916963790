"""Firmware that uses LPTIM1 as ST's driver, RIOT and Mbed do, against the core's cycle counter."""

from __future__ import annotations

import pytest
from firmware_runs import run

# The HSI feeds the core: 16 MHz. An instruction is a cycle with timing "count".
CORE_HZ = 16_000_000
HZ = {"pclk": CORE_HZ, "lsi": 32_000, "hsi": 16_000_000, "lse": 32_768}

LPTIM = """
#define LPTIM(offset) REGISTER(0x40002400U + (offset))
enum { ISR = 0, ICR = 4, IER = 8, CFGR = 12, CR = 16, CMP = 20, ARR = 24, CNT = 28 };
enum { CMPM = 1, ARRM = 2, CMPOK = 8, ARROK = 16 };

/* Clock 0 to 3: APB1, LSI, HSI, LSE. */
static void clock_from(uint32_t source) {
    RCC_APB1ENR |= 1U << 28 | 1U << 9; /* PWR, LPTIM1 */
    PWR_CR1 |= 1U << 8;
    RCC_CSR |= 1U;
    RCC_BDCR |= 1U;
    while ((RCC_CSR & 2U) == 0U || (RCC_BDCR & 2U) == 0U) {
    }
    RCC_DCKCFGR2 = (RCC_DCKCFGR2 & ~(3U << 24)) | source << 24;
    REGISTER(0x40023820U) |= 1U << 9; /* RCC_APB1RSTR */
    REGISTER(0x40023820U) &= ~(1U << 9);
}

static void write_value(uint32_t offset, uint32_t flag, uint32_t value) {
    LPTIM(ICR) = flag;
    LPTIM(offset) = value;
    while ((LPTIM(ISR) & flag) == 0U) {
    }
}

static void begin(uint32_t prescaler, uint32_t enables, uint32_t reload, uint32_t compare) {
    LPTIM(CFGR) = prescaler << 9;
    LPTIM(IER) = enables;
    LPTIM(CR) = 1U;
    write_value(ARR, ARROK, reload);
    write_value(CMP, CMPOK, compare);
    LPTIM(CR) |= 4U; /* CNTSTRT */
}
"""
PERIODS = (
    LPTIM
    + """
enum { TIMES = 5 };
static volatile uint32_t count;
static uint32_t came_at[TIMES];
static void on_lptim(void) {
    const uint32_t now = CYCCNT;
    LPTIM(ICR) = ARRM;
    if (USES_EXTI) { EXTI_PR = 1U << 23; }
    if (count < TIMES) { came_at[count++] = now; }
}
int main(void) {
    REGISTER(0xE0042004U) |= 1U; /* DBG_SLEEP: CYCCNT counts while the core sleeps */
    count_cycles();
    clock_from(SOURCE);
    if (USES_EXTI) { EXTI_IMR |= 1U << 23; EXTI_RTSR |= 1U << 23; }
    handle(93U, on_lptim);
    begin(PRESCALER, ARRM, RELOAD, 0U);
    while (count < TIMES) { sleep(); }
    for (uint32_t i = 1; i < TIMES; i++) { tell("period", came_at[i] - came_at[i - 1U]); }
    tell("all", came_at[TIMES - 1] - came_at[0]);
    return 0;
}
"""
)


def periods(source: str, *, prescaler: int, reload: int, exti: bool = False) -> str:
    facts = f"SOURCE {list(HZ).index(source)}U", f"PRESCALER {prescaler}U", f"RELOAD {reload}U"
    defines = "".join(f"#define {fact}\n" for fact in (*facts, f"USES_EXTI {int(exti)}"))
    return defines + PERIODS


@pytest.mark.parametrize("timing", ["count", "full"])
@pytest.mark.parametrize(
    ("source", "prescaler", "reload"),
    [("pclk", 3, 199), ("lsi", 0, 31), ("hsi", 7, 99), ("lse", 5, 1023)],
)
def test_it_ticks_in_the_chips_time_and_wakes_the_core(source, prescaler, reload, timing, tmp_path):
    program = periods(source, prescaler=prescaler, reload=reload)
    cycles = run(program, tmp_path, timing=timing)["all"]
    expected = 4 * (reload + 1) * 2**prescaler * CORE_HZ / HZ[source]
    # The first handler runs from a cold cache.
    assert cycles == pytest.approx(expected, abs=1 if timing == "count" else 60)


@pytest.mark.parametrize("platform", ["stm32f746", "stm32f767"])
def test_its_interrupt_also_comes_over_line_23_of_exti(platform, tmp_path):
    program = periods("lsi", prescaler=0, reload=31, exti=True)
    told = run(program, tmp_path, platform=platform)
    assert told["all"] == pytest.approx(4 * 16_000, abs=1)


@pytest.mark.parametrize("timing", ["count", "full"])
def test_a_value_is_taken_over_within_three_periods_of_its_clock(timing, tmp_path):
    """At 32.768 kHz: two periods at least, 976.6 cycles, and a part of another before them."""
    program = (
        LPTIM
        + """
int main(void) {
    count_cycles();
    clock_from(3U);
    LPTIM(CR) = 1U;
    for (uint32_t i = 0; i < 3U; i++) {
        const uint32_t before = CYCCNT;
        write_value(CMP, CMPOK, 100U + i);
        tell(i == 0U ? "first" : i == 1U ? "second" : "third", CYCCNT - before);
    }
    return 0;
}
"""
    )
    for cycles in run(program, tmp_path, timing=timing).values():
        assert 2 * CORE_HZ / 32_768 < cycles <= 3 * CORE_HZ / 32_768 + 60


@pytest.mark.parametrize("timing", ["count", "full"])
def test_a_program_that_reads_the_count_twice_sees_every_value(timing, tmp_path):
    """As lp_ticker_read() does; a SysTick beside it must not make it skip any."""
    program = (
        LPTIM
        + """
static uint32_t now(void) {
    uint32_t first, second = LPTIM(CNT);
    do {
        first = second;
        second = LPTIM(CNT);
    } while (first != second);
    return second;
}
int main(void) {
    uint32_t skipped = 0U, last = 0U;
    count_cycles();
    REGISTER(0xE000E014U) = 15999999U; /* SysTick, which comes in a second */
    REGISTER(0xE000E010U) = 5U;
    clock_from(1U);
    begin(0U, 0U, 0xFFFFU, 0xFFFEU);
    while (now() == 0U) { }
    const uint32_t began = CYCCNT, from = now();
    last = from;
    while (last != from + 64U) {
        const uint32_t next = now();
        skipped += next - last > 1U;
        last = next;
    }
    tell("cycles", CYCCNT - began);
    tell("skipped", skipped);
    return 0;
}
"""
    )
    told = run(program, tmp_path, timing=timing)
    assert told["skipped"] == 0
    assert told["cycles"] == pytest.approx(64 * 500, abs=80)


def test_an_alarm_of_a_real_time_ticker_comes_at_its_tick(tmp_path):
    """RIOT's rtt: the compare value is set while the counter runs, the core sleeps until then."""
    program = (
        LPTIM
        + """
static volatile uint32_t seen;
static void on_lptim(void) {
    if ((LPTIM(ISR) & CMPM) != 0U) { seen = LPTIM(CNT); }
    LPTIM(ICR) = ARRM | CMPM;
    EXTI_PR = 1U << 23;
}
int main(void) {
    EXTI_IMR |= 1U << 23;
    EXTI_RTSR |= 1U << 23;
    handle(93U, on_lptim);
    clock_from(3U);
    begin(0U, ARRM | CMPM, 0xFFFFU, 0xFFFEU);
    for (uint32_t alarm = 100U; alarm < 60000U; alarm += 14000U) {
        seen = 0U;
        write_value(CMP, CMPOK, alarm);
        while (seen == 0U) { sleep(); }
        if (seen != alarm + 1U) { return 1; } /* CMPM comes a count later */
    }
    tell("now", LPTIM(CNT));
    return 0;
}
"""
    )
    assert run(program, tmp_path)["now"] == 56_101
