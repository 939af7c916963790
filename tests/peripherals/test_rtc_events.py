"""Alarms and wake-up timer of the RTC (RM0385 29.3.3, 29.3.5), on a bench without a core."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtc_bench import SECOND, Clock

from usim.devices.peripherals.rtc import (
    ALRMAR,
    ALRMASSR,
    ALRMBR,
    ALRMBSSR,
    CR,
    DR,
    ISR,
    SSR,
    TR,
    WPR,
    WUTR,
)
from usim.devices.peripherals.rtc_alarm import AlarmSetting
from usim.devices.peripherals.rtc_calendar import Calendar, bcd

ALRAE, ALRBE, WUTE = 1 << 8, 1 << 9, 1 << 10
ALRAIE, ALRBIE, WUTIE = 1 << 12, 1 << 13, 1 << 14
ALRAWF, WUTWF = 1 << 0, 1 << 2
ALRAF, ALRBF, WUTF = 1 << 8, 1 << 9, 1 << 10
INIT, RSF = 1 << 7, 1 << 5
MSK1, MSK2, MSK3, MSK4 = 1 << 7, 1 << 15, 1 << 23, 1 << 31
WDSEL = 1 << 30
FRIDAY = 5 << 13


def clear(clock: Clock, flag: int) -> None:
    """As ST's driver does: all but the flag and INIT are written as ones."""
    clock[ISR] = ~(flag | INIT) & 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("alarm", "seconds"),
    [
        (MSK4 | MSK3 | MSK2 | MSK1, 1),
        (MSK4 | MSK3 | MSK2 | 0x30, 30),
        (MSK4 | MSK3 | 0x0500, 5 * 60),
        (MSK4 | 0x13_0000, 3600),
        (MSK4 | MSK3 | MSK2 | 0x00, 60),
        (0x29 << 24 | 0x12_0000, 86_400),
        (0x28 << 24 | 0x12_0001, 1),
        (0x01 << 24 | 0x00_0000, 2 * 86_400 - 43_200),
        (WDSEL | 1 << 24 | 0x00_0000, 2 * 86_400 + 43_200),
    ],
)
def test_an_alarm_comes_when_all_that_is_compared_matches(alarm, seconds):
    """From noon of Friday, the 28th of February 2020, a leap year."""
    clock = Clock()
    clock.set(0x12_0000, 0x20_0228 | FRIDAY)
    began = clock.bench.cycle
    clock[ALRMAR] = alarm
    clock[CR] = ALRAE | ALRAIE
    clock.bench.run_to(began + seconds * SECOND - 1)
    assert (clock[ISR] & ALRAF, clock.alarm.level) == (0, False)
    clock.bench.run(1)
    assert clock[ISR] & ALRAF
    assert clock.alarm.rises == [began + seconds * SECOND]


def test_an_alarm_comes_again_and_its_line_falls_with_its_flag():
    clock = Clock()
    clock.set(0, 0x2101)
    began = clock.bench.cycle
    clock[ALRMAR] = MSK4 | MSK3 | MSK2 | 0x10
    clock[CR] = ALRAE | ALRAIE
    for times in range(3):
        clock.bench.run_to(began + (10 + 60 * times) * SECOND)
        assert clock.alarm.level
        clear(clock, ALRAF)
        assert not clock.alarm.level
    clock[CR] = 0
    clock.bench.run(120 * SECOND)
    assert clock[ISR] & ALRAF == 0


@pytest.mark.parametrize(
    ("compared", "value", "ticks"),
    [
        (15, 0xFF, SECOND),
        (15, 0x7F, SECOND // 2),
        (8, 0x00, SECOND - 128),
        (1, 0, 128),
        (4, 0x3, 12 * 128),
        (15, 0x100, None),  # more than SSR ever holds
    ],
)
def test_subseconds_are_compared_as_far_as_they_are_selected(compared, value, ticks):
    clock = Clock()
    clock.set(0, 0x2101)
    clock[ALRMAR] = MSK4 | MSK3 | MSK2 | MSK1
    clock[ALRMASSR] = compared << 24 | value
    clock[CR] = ALRAE
    if ticks is None:
        clock.bench.run(3 * SECOND)
        assert clock[ISR] & ALRAF == 0
        return
    began = clock.bench.cycle
    assert clock.bench.cycles_until(lambda: bool(clock[ISR] & ALRAF)) == ticks
    assert clock[SSR] & ((1 << compared) - 1) == value
    assert clock.bench.cycle == began + ticks


def test_a_day_that_is_no_date_is_compared_as_it_was_set():
    """ST's time base of an alarm sets DR and ALRMAR to zero, and TR again in each interrupt."""
    clock = Clock()
    clock[ALRMAR] = 1
    clock[CR] = ALRAE | ALRAIE
    for _ in range(3):
        clock.set(0, 0)
        began = clock.bench.cycle
        assert clock.bench.cycles_until(lambda: clock.alarm.level) == SECOND
        assert clock.bench.cycle == began + SECOND
        clear(clock, ALRAF)
    clock.bench.run(2 * 86_400 * SECOND)
    assert (clock[DR], clock[ISR] & ALRAF) == (0x0000_4102, 0)


def test_either_alarm_drives_the_line():
    clock = Clock()
    clock.set(0, 0x2101)
    began = clock.bench.cycle
    clock[ALRMAR], clock[ALRMBR] = MSK4 | MSK3 | MSK2 | 2, MSK4 | MSK3 | MSK2 | 1
    clock[ALRMBSSR] = 0
    clock[CR] = ALRAE | ALRBE | ALRAIE | ALRBIE
    clock.bench.run(3 * SECOND)
    assert clock[ISR] & (ALRAF | ALRBF) == ALRAF | ALRBF
    clear(clock, ALRBF)
    assert clock.alarm.edges == [(began + SECOND, True)]
    clear(clock, ALRAF)
    assert not clock.alarm.level


def test_an_alarm_without_its_interrupt_sets_its_flag_alone():
    clock = Clock()
    clock[ALRMAR] = MSK4 | MSK3 | MSK2 | MSK1
    clock[CR] = ALRAE
    clock.bench.run(SECOND)
    assert (clock[ISR] & ALRAF, clock.alarm.level) == (ALRAF, False)
    clock[CR] = ALRAE | ALRAIE
    assert clock.alarm.level


def test_what_is_on_is_not_set_and_can_be_two_periods_after_it_went_off(caplog):
    clock = Clock()
    clock[CR] = ALRAE | WUTE
    clock.bench.run(2)
    assert clock[ISR] & (ALRAWF | WUTWF) == 0
    clock[ALRMAR], clock[WUTR] = 1, 2
    assert (clock[ALRMAR], clock[WUTR]) == (0, 0xFFFF)
    assert caplog.messages == [
        "RTC.ALRMAR is written while in use",
        "RTC.WUTR is written while in use",
    ]
    clock[CR] = 0
    clock.bench.run(1)
    assert clock[ISR] & (ALRAWF | WUTWF) == 0
    clock.bench.run(1)
    assert clock[ISR] & (ALRAWF | WUTWF) == ALRAWF | WUTWF
    clock[ALRMAR], clock[WUTR] = 1, 2
    assert (clock[ALRMAR], clock[WUTR]) == (1, 2)


def test_flags_are_cleared_without_the_keys():
    clock = Clock()
    clock[ALRMAR] = MSK4 | MSK3 | MSK2 | MSK1
    clock[CR] = ALRAE
    clock[WPR] = 0xFF
    clock.bench.run(SECOND)
    clear(clock, ALRAF)
    assert clock[ISR] & ALRAF == 0
    clock[CR] = 0
    assert clock[CR] == ALRAE


@pytest.mark.parametrize(("selection", "divider"), [(0, 16), (1, 8), (2, 4), (3, 2)])
def test_the_wake_up_timer_counts_fractions_of_its_clock(selection, divider):
    clock = Clock()
    clock.bench.run(77)
    clock[WUTR] = 99
    clock[CR] = selection
    clock[CR] = selection | WUTE | WUTIE
    for times in range(1, 4):
        clock.bench.run_to(77 + 100 * divider * times)
        assert clock.wake_up.rises[times - 1 :] == [77 + 100 * divider * times]
        clear(clock, WUTF)
    clock[CR] = selection
    clock.bench.run(10_000)
    assert len(clock.wake_up.rises) == 3


@pytest.mark.parametrize(("selection", "seconds"), [(4, 3), (5, 3), (6, 65_536 + 3)])
def test_the_wake_up_timer_counts_seconds_as_they_begin(selection, seconds):
    clock = Clock()
    clock.set(0, 0x2101)
    began = clock.bench.cycle
    clock.bench.run(SECOND // 4)
    clock[WUTR] = 2
    clock[CR] = selection
    clock[CR] = selection | WUTE | WUTIE
    clock.bench.run_to(began + seconds * SECOND)
    assert clock.wake_up.rises == [began + seconds * SECOND]
    clear(clock, WUTF)
    clock.bench.run(seconds * SECOND)
    assert clock.wake_up.rises == [began + seconds * SECOND, began + 2 * seconds * SECOND]


def test_setting_the_calendar_holds_its_seconds_and_its_alarms():
    clock = Clock()
    clock.set(0, 0x2101)
    clock[WUTR] = 2
    clock[ALRMAR] = MSK4 | MSK3 | MSK2 | 0x30
    clock[CR] = 4
    clock[CR] = 4 | WUTE | ALRAE
    clock.bench.run(SECOND // 2)
    clock[ISR] = INIT
    clock.bench.run(100 * SECOND)
    clock[TR] = 0x29
    assert clock[ISR] & (WUTF | ALRAF) == 0
    clock[ISR] = 0
    clock.bench.run(SECOND)
    assert clock[ISR] & (WUTF | ALRAF) == ALRAF
    clock.bench.run(2 * SECOND)
    assert clock[ISR] & WUTF


def test_alarm_and_wake_up_timer_outlive_a_system_reset_and_not_the_supply():
    clock = Clock()
    clock[ALRMAR] = MSK4 | MSK3 | MSK2 | MSK1
    clock[WUTR] = 0
    clock[CR] = 4
    clock[CR] = 4 | WUTE | WUTIE | ALRAE | ALRAIE
    clock.rtc.reset()
    clock.bench.run(SECOND)
    assert (clock.alarm.level, clock.wake_up.level) == (True, True)
    clock.rtc.power_on()
    assert (clock.alarm.level, clock.wake_up.level) == (False, False)
    clock.bench.run(10 * SECOND)
    assert (clock.alarm.level, clock.wake_up.level) == (False, False)


begins = st.datetimes(datetime(2000, 1, 1), datetime(2098, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
masks = st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans())


@given(begins, st.integers(0, 3 * 86_400), masks, st.booleans())
def test_no_second_before_the_alarm_would_have_matched(begin, ahead, masked, by_weekday):
    """The alarm is set to a moment ahead; the first match is found second by second as well."""
    time = bcd(begin.hour) << 16 | bcd(begin.minute) << 8 | bcd(begin.second)
    day = bcd(begin.year - 2000) << 16 | bcd(begin.month) << 8 | bcd(begin.day)
    day |= begin.isoweekday() << 13
    calendar = Calendar.from_registers(time, day, 0, 0)  # a tick a second
    goal = begin + timedelta(seconds=1 + ahead)
    fields = (WDSEL | goal.isoweekday() << 24) if by_weekday else bcd(goal.day) << 24
    fields |= bcd(goal.hour) << 16 | bcd(goal.minute) << 8 | bcd(goal.second)
    bits = zip((MSK1, MSK2, MSK3, MSK4), masked, strict=True)
    fields |= sum(bit for bit, is_masked in bits if is_masked)

    def matches(moment: datetime) -> bool:
        day = moment.isoweekday() if by_weekday else moment.day
        goal_day = goal.isoweekday() if by_weekday else goal.day
        fields = (moment.second, moment.minute, moment.hour, day)
        wanted = (goal.second, goal.minute, goal.hour, goal_day)
        return all(
            is_masked or field == value
            for is_masked, field, value in zip(masked, fields, wanted, strict=True)
        )

    found = AlarmSetting(fields, 0).next_tick(calendar, 0)
    assert found is not None
    assert 0 < found <= 1 + ahead
    assert matches(begin + timedelta(seconds=found))
    step = 1 if found < 5000 else 59
    assert not any(matches(begin + timedelta(seconds=at)) for at in range(1, found, step))
