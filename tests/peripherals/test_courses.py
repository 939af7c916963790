"""How counters are said to go on, against what loads find later."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from rig import Bench

from usim.devices.course import Course
from usim.devices.dwt import DWT_CTRL, DWT_CYCCNT, DWT_LAR, Dwt
from usim.devices.peripherals.tim import Timer, TimerLines
from usim.devices.peripherals.tim_registers import ARR, CCR, CNT, CR1, EGR, PSC, RCR, TIMERS
from usim.devices.peripherals.wwdg import CFR, CR, WindowWatchdog
from usim.devices.systick import SYST_CSR, SYST_CVR, SYST_RVR, SysTick

TIM1, TIM2, TIM3, TIM6 = 0x4001_0000, 0x4000_0000, 0x4000_0400, 0x4000_1000
OF_TIMERS = (PSC, ARR, CNT, CCR[0], RCR)
RATES = st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 2), Fraction(25, 54)])
CYCLES = st.one_of(st.integers(0, 30), st.integers(0, 3000))


def value_at(course: Course, cycles: int) -> int:
    """What course_t says, in 32 bits."""
    part, step, scale = course.pace
    steps = (part + cycles * step) // scale
    return (course.value + (-steps if course.down else steps)) & 0xFFFF_FFFF


def follow(
    bench: Bench,
    read: Callable[[], int],
    find: Callable[[], Course | None],
    pauses: list[int],
) -> None:
    """Let time pass; as long as a course holds and nothing happens, loads find what it says."""
    for pause in pauses:
        value, course, since = read(), find(), bench.cycle
        due = bench.events.next_cycle
        end = since + pause if due is None else min(since + pause, due)
        if course is not None:
            assert course.value == value
            last = min(end - 1, since + course.lasts - 1)
            if last >= since:
                bench.run_to(last)
                assert read() == value_at(course, last - since)
        bench.run_to(since + pause)


@settings(max_examples=300)
@given(
    st.sampled_from([TIM1, TIM2, TIM3, TIM6]),
    RATES,
    st.tuples(*[st.integers(0, 40)] * len(OF_TIMERS)),
    st.tuples(*[st.integers(0, 40)] * 2),
    # UDIS, OPM, DIR, CMS, ARPE.
    st.integers(0, 0xFF).map(lambda bits: bits & 0xFA),
    st.lists(CYCLES, min_size=1, max_size=12),
)
def test_timers_go_on_as_they_say(address, rate, values, later, control, pauses):
    bench = Bench()
    lines = TimerLines(bench.line())
    timer = Timer(bench.events, bench.domain(rate), lines, TIMERS[address], "TIM")
    for offset, value in zip(OF_TIMERS, values, strict=True):
        if offset == CNT:
            timer.write(EGR, 4, 1)
        timer.write(offset, 4, value)
    timer.write(CR1, 4, control | 1)

    def read() -> int:
        return timer.read(CNT, 4)

    find = timer.courses()[CNT]
    half = len(pauses) // 2
    follow(bench, read, find, pauses[:half])
    # With preload these take effect at an update, whether anybody is told of it or not.
    timer.write(PSC, 4, later[0])
    timer.write(ARR, 4, later[1])
    follow(bench, read, find, pauses[half:])


@settings(max_examples=200)
@given(
    st.integers(0, 100),
    st.integers(0, 3).map(lambda bits: bits << 1 | 1),
    st.lists(CYCLES, min_size=1, max_size=12),
)
def test_systick_goes_on_as_it_says(reload, control, pauses):
    bench = Bench()
    systick = SysTick(bench.events, lambda: None)
    for address, value in ((SYST_RVR, reload), (SYST_CVR, 0), (SYST_CSR, control)):
        systick.write(address, value)
    follow(bench, lambda: systick.read(SYST_CVR), systick.course, pauses)


@given(st.integers(0, 0xFFFF_FFFF), st.integers(0, 3), st.lists(CYCLES, min_size=1))
def test_the_cycle_counter_goes_on_as_it_says(value, enabled, pauses):
    bench = Bench()
    dwt = Dwt(lambda: bench.cycle)
    dwt.write(DWT_LAR, 0xC5AC_CE55)
    dwt.set_trace(enabled=bool(enabled & 2))
    dwt.write(DWT_CYCCNT, value)
    dwt.write(DWT_CTRL, enabled & 1)
    follow(bench, lambda: dwt.read(DWT_CYCCNT), dwt.course, pauses)


@settings(max_examples=100)
@given(st.integers(0, 3), RATES, st.lists(st.integers(0, 900), min_size=1, max_size=12))
def test_the_window_watchdog_goes_on_as_it_says(prescaler, rate, pauses):
    bench = Bench()
    watchdog = WindowWatchdog(bench.events, bench.domain(rate), bench.line(), lambda _: None)
    watchdog.reset()
    watchdog.write(CFR, 4, prescaler << 7 | 0x7F)
    watchdog.write(CR, 4, 0x7F)
    follow(bench, lambda: watchdog.read(CR, 4), watchdog.courses()[CR], pauses)
