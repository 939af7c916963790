"""Calendar and its locks (RM0385 chapter 29), on a bench without a core."""

from __future__ import annotations

import pytest
from rtc_bench import SECOND, Clock

from usim.devices.peripherals.rtc import DR, ISR, SSR, TR, WPR

INITS, RSF, INITF, INIT = 1 << 4, 1 << 5, 1 << 6, 1 << 7
BKP0R, CALR = 0x50, 0x3C


def test_it_counts_from_the_first_of_january():
    clock = Clock()
    clock.bench.run(61 * SECOND)
    assert (clock[TR], clock[DR]) == (0x0000_0101, 0x0000_2101)


def test_the_calendar_turns_at_the_end_of_a_leap_day():
    clock = Clock()
    clock.set(0x23_5958, 0x24_0229 | 7 << 13)
    clock.bench.run(SECOND)
    assert clock[TR] == 0x23_5959
    clock.bench.run(SECOND)
    assert (clock[TR], clock[DR]) == (0, 0x24_0301 | 1 << 13)
    assert clock[ISR] & INITS


def test_flags_follow_after_two_periods():
    clock = Clock()
    clock[ISR] = INIT
    assert clock[ISR] & (INITF | RSF) == 0
    clock.bench.run(1)
    assert clock[ISR] & (INITF | RSF) == 0
    clock.bench.run(1)
    assert clock[ISR] & (INITF | RSF) == INITF | RSF
    clock[ISR] = 0
    assert clock[ISR] & (INITF | RSF) == 0


def test_fractions_of_a_second_count_down():
    clock = Clock()
    clock.set(0, 0x0000_2101)
    assert clock[SSR] == 0xFF
    clock.bench.run(SECOND // 4)
    assert clock[SSR] == 0xBF


@pytest.mark.parametrize("lock", ["keys", "backup domain"])
def test_locked_registers_ignore_writes(lock):
    clock = Clock()
    if lock == "keys":
        clock[WPR] = 0xFF
    else:
        clock.writable = False
    clock[CALR] = 1
    clock[BKP0R] = 7
    assert (clock[CALR], clock[BKP0R]) == (0, 7 if lock == "keys" else 0)


def test_a_system_reset_leaves_time_and_backup_and_the_supply_does_not():
    clock = Clock()
    clock.set(0x12_0000, 0x24_2101)
    clock[BKP0R] = 7
    clock.rtc.reset()
    clock.bench.run(SECOND)
    assert (clock[TR], clock[BKP0R]) == (0x12_0001, 7)
    clock.rtc.power_on()
    assert (clock[TR], clock[BKP0R]) == (0, 0)


def test_a_system_reset_ends_the_setting_of_the_calendar():
    clock = Clock()
    clock[ISR] = INIT
    clock.bench.run(2)
    clock[TR] = 0x12_0000
    clock.rtc.reset()
    assert clock[ISR] & (INIT | INITF) == 0
    clock.bench.run(SECOND)
    assert clock[TR] == 0x12_0001


@pytest.mark.parametrize(("register", "ticks"), [(SSR, 128), (TR, SECOND), (DR, SECOND)])
def test_who_polls_the_calendar_finds_an_event_at_its_next_change(register, ticks):
    clock = Clock()
    clock.bench.run(1000)
    for _ in range(2):
        clock[register]
    assert clock.bench.events.next_cycle == -(-1000 // ticks) * ticks
