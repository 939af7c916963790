"""Ticks of the chip's clocks against the core's, through changes of either."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig import Bench

from usim.devices.peripherals.alarm import Alarm
from usim.devices.peripherals.rcc import (
    CFGR,
    CR,
    DCKCFGR1,
    DCKCFGR2,
    PLLCFGR,
    ResetAndClockControl,
)
from usim.devices.peripherals.simulated_time import SimulatedTime

rates = st.fractions(min_value=0, max_value=8, max_denominator=10_000)


@given(st.lists(st.tuples(rates, st.integers(0, 100_000)), max_size=8))
def test_no_tick_is_lost_or_won_in_any_change(steps):
    bench = Bench()
    domain = bench.domain(0)
    exact = Fraction(0)
    for rate, cycles in steps:
        bench.change(domain, rate)
        bench.run(cycles)
        exact += rate * cycles
        assert domain.ticks() == exact // 1
        for ahead in (0, 1, 7):
            cycle = domain.cycle_of(domain.ticks() + ahead)
            if rate and ahead:
                assert domain.ticks_at(cycle - 1) < domain.ticks() + ahead <= domain.ticks_at(cycle)


def test_an_alarm_moves_with_its_clock_and_waits_while_that_stands():
    bench = Bench()
    domain = bench.domain(Fraction(1, 4))
    rung = []
    alarm = Alarm(bench.events, domain, lambda tick: rung.append((tick, bench.events.now)))
    alarm.set(100)
    bench.run_to(200)  # 50 ticks
    bench.change(domain, 0)
    bench.run_to(1000)
    assert rung == []
    bench.change(domain, Fraction(1, 2))
    bench.run_to(2000)
    assert rung == [(100, 1100)]
    assert alarm.tick is None


def at_216_mhz(rcc: ResetAndClockControl) -> None:
    rcc.write_word(PLLCFGR, 9 << 24 | 216 << 6 | 8)
    rcc.write_word(CR, 1 | 1 << 24)
    rcc.write_word(CFGR, 5 << 10 | 4 << 13 | 2)  # APB1 / 4, APB2 / 2


@pytest.mark.parametrize(("timpre", "timers"), [(0, (108, 216)), (1, (216, 216))])
def test_timers_run_at_a_multiple_of_their_bus(timpre, timers):
    """RM0385 5.2, and DCKCFGR1.TIMPRE."""
    rcc = ResetAndClockControl(None, Bench().events)
    at_216_mhz(rcc)
    rcc.write_word(DCKCFGR1, timpre << 24)
    assert (rcc.tree.timers1, rcc.tree.timers2) == tuple(mhz * 10**6 for mhz in timers)
    assert rcc.tree.clock48 == 48 * 10**6


@pytest.mark.parametrize(("selection", "hz"), [(0, 54e6), (1, 216e6), (2, 16e6), (3, 32768)])
def test_a_usart_is_clocked_by_what_is_selected(selection, hz):
    rcc = ResetAndClockControl(None, Bench().events)
    at_216_mhz(rcc)
    rcc.write_word(0x70, 1)  # LSEON
    rcc.write_word(DCKCFGR2, selection << 4)
    assert rcc.tree.usart(4, on_apb2=False) == hz


def test_time_goes_on_at_the_cores_clock():
    bench = Bench()
    rcc = ResetAndClockControl(None, bench.events)
    time = SimulatedTime(rcc.time())
    bench.run_to(16_000_000)
    assert time.seconds() == 1
    at_216_mhz(rcc)
    assert time.cycle_at(1.5) == 16_000_000 + 108_000_000
    bench.run(108_000_000)
    assert time.seconds() == 1.5


def test_a_peripherals_clock_stands_while_it_is_not_enabled():
    bench = Bench()
    rcc = ResetAndClockControl(None, bench.events)
    domain = rcc.domain(lambda tree: tree.timers1, (0x40, 1))
    bench.run(1000)
    assert domain.ticks() == 0
    rcc.write_word(0x40, 1)
    bench.run(1000)
    assert domain.ticks() == 1000


def test_what_the_datasheet_forbids_is_said_once(caplog):
    rcc = ResetAndClockControl(None, Bench().events)
    rcc.write_word(PLLCFGR, 9 << 24 | 432 << 6 | 4)
    for _ in range(2):
        rcc.write_word(CR, 1 | 1 << 24)
    assert [record.message for record in caplog.records] == [
        "RCC: the PLL's input is 4 MHz, not 1-2",
        "RCC: the PLL's VCO is at 1728 MHz, not 100-432",
    ]
