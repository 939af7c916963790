"""The low-power timer (RM0385 chapter 26) on a bench without a core, a core cycle a kernel tick."""

from __future__ import annotations

from fractions import Fraction

import pytest
from rig import Bench

from usim.devices.peripherals.lptim import ARR, CFGR, CMP, CNT, CR, ICR, IER, ISR, LowPowerTimer

CMPM, ARRM, CMPOK, ARROK = 1 << 0, 1 << 1, 1 << 3, 1 << 4
ENABLE, SNGSTRT, CNTSTRT = 1, 2, 4
WAVE, PRELOAD = 1 << 20, 1 << 22


class Bed:
    """An LPTIM1 and the line of its interrupt."""

    def __init__(self, rate: Fraction | int = 1) -> None:
        self.bench = Bench()
        self.clock = self.bench.domain(rate)
        self.line = self.bench.line()
        self.timer = LowPowerTimer(self.bench.events, self.clock, self.line)

    def __getitem__(self, offset: int) -> int:
        return self.timer.read(offset, 4)

    def __setitem__(self, offset: int, value: int) -> None:
        self.timer.write(offset, 4, value)

    def enable(self, reload: int, compare: int = 0, configuration: int = 0) -> None:
        """As ST's driver does: each value is waited for."""
        self[CFGR] = configuration
        self[CR] = ENABLE
        self[ARR] = reload
        self.bench.cycles_until(lambda: bool(self[ISR] & ARROK))
        self[CMP] = compare
        self.bench.cycles_until(lambda: bool(self[ISR] & CMPOK))
        self.bench.run(1000)
        self[ICR] = ARROK | CMPOK


def test_the_registers_have_their_reset_values():
    bed = Bed()
    assert [bed[offset] for offset in range(0, 0x20, 4)] == [0, 0, 0, 0, 0, 0, 1, 0]
    bed.enable(100, 50)
    bed[IER], bed[CFGR] = 0x7F, 0xFFFF_FFFF
    bed.timer.reset()
    assert [bed[offset] for offset in range(0, 0x20, 4)] == [0, 0, 0, 0, 0, 0, 1, 0]


def test_values_reach_the_kernel_after_three_of_its_ticks():
    bed = Bed(Fraction(1, 100))
    bed[CR] = ENABLE
    bed[ARR] = 9
    assert bed[ARR] == 9
    assert bed.bench.cycles_until(lambda: bool(bed[ISR] & ARROK)) == 300
    bed[CMP] = 5
    assert bed[ISR] == ARROK
    assert bed.bench.cycles_until(lambda: bool(bed[ISR] & CMPOK)) == 300


@pytest.mark.parametrize("prescaler", range(8))
def test_it_counts_prescaled_ticks_to_the_auto_reload_value(prescaler):
    bed = Bed()
    bed.enable(9, 4, prescaler << 9)
    bed[CR] = ENABLE | CNTSTRT
    assert bed[CR] == ENABLE
    counts = []
    for _ in range(25):
        counts.append(bed[CNT])
        bed.bench.run(1 << prescaler)
    assert counts == [n % 10 for n in range(25)]


def test_matches_are_flagged_a_count_after_they_are_reached():
    bed = Bed()
    bed[IER] = ARRM | CMPM
    bed.enable(9, 4)
    began = bed.bench.cycle
    bed[CR] = ENABLE | CNTSTRT
    bed.bench.run(100)
    assert bed.line.rises == [began + 5]
    assert bed[ISR] == CMPM | ARRM
    bed[ICR] = CMPM | ARRM
    assert not bed.line.level
    bed.bench.run_to(began + 109)
    bed[ICR] = CMPM
    bed.bench.run_to(began + 110)
    assert bed.line.rises[1:] == [began + 105, began + 110]
    assert bed[ISR] == ARRM


def test_matches_go_on_while_nobody_but_the_handler_looks():
    """An overflow without a match lies between one period's flags and the next one's."""
    bed = Bed()
    bed[IER] = ARRM | CMPM
    bed.enable(9, 4)
    began = bed.bench.cycle
    bed[CR] = ENABLE | CNTSTRT
    for _ in range(10):
        bed.bench.cycles_until(lambda: bed.line.level)
        bed[ICR] = CMPM | ARRM
    assert bed.line.rises == [began + 10 * period + at for period in range(5) for at in (5, 10)]


@pytest.mark.parametrize(
    ("before", "compare", "ticks"),
    [(500, 104, 5), (500, 103, 4), (500, 101, 3), (500, 7, 3), (50, 104, 5), (50, 102, 1003)],
)
def test_a_compare_value_behind_the_count_matches_at_once_unless_the_last_one_was(
    before, compare, ticks
):
    """Three ticks from 100 on, and a count to the flag; the condition has to begin anew."""
    bed = Bed()
    bed.enable(999, before)
    bed[CR] = ENABLE | CNTSTRT
    bed.bench.run(100)
    bed[ICR] = CMPM
    bed[CMP] = compare
    assert bed.bench.cycles_until(lambda: bool(bed[ISR] & CMPM)) == ticks


def test_a_compare_value_that_is_not_below_the_auto_reload_value_never_matches():
    bed = Bed()
    bed[IER] = CMPM
    for compare in (9, 10):
        bed.enable(9, compare)
        bed[CR] = ENABLE | CNTSTRT
        bed.bench.run(100)
        assert bed[ISR] & (CMPM | ARRM) == ARRM
        bed[CR] = 0


def test_it_starts_two_counts_after_it_was_enabled():
    bed = Bed()
    bed[CFGR] = 3 << 9
    bed[CR] = ENABLE
    bed[CR] = ENABLE | CNTSTRT
    bed.bench.run(16 + 7)
    assert bed[CNT] == 0
    bed.bench.run(1)
    assert bed[CNT] == 1


def test_a_start_and_values_are_for_an_enabled_timer(caplog):
    bed = Bed()
    bed[ARR] = 9
    bed[CR] = CNTSTRT
    bed.bench.run(100)
    assert (bed[ARR], bed[CR], bed[CNT], bed[ISR]) == (1, 0, 0, 0)
    assert caplog.messages == [
        "LPTIM1.ARR is written while the timer is disabled, without effect",
    ]


def test_a_single_count_ends_at_zero_and_can_be_had_again():
    bed = Bed()
    bed.enable(9)
    for _ in range(2):
        bed[CR] = ENABLE | SNGSTRT
        bed.bench.run(9)
        assert (bed[CNT], bed[ISR] & ARRM) == (9, 0)
        bed.bench.run(1)
        assert (bed[CNT], bed[ISR] & ARRM) == (0, ARRM)
        bed[ICR] = ARRM
        bed.bench.run(100)
        assert (bed[CNT], bed[ISR] & ARRM) == (0, 0)


def test_set_once_starts_once_until_the_timer_is_disabled():
    bed = Bed()
    bed.enable(9, 4, WAVE)
    for expected in (CMPM | ARRM, 0):
        bed[CR] = ENABLE | SNGSTRT
        bed.bench.run(100)
        assert bed[ISR] & (CMPM | ARRM) == expected
        bed[ICR] = CMPM | ARRM
    bed[CR] = 0
    bed.enable(9, 4, WAVE)
    bed[CR] = ENABLE | SNGSTRT
    bed.bench.run(100)
    assert bed[ISR] == CMPM | ARRM


def test_the_mode_can_be_changed_while_it_counts():
    """LPTIM_CR: SNGSTRT ends a continuous count at its period, CNTSTRT makes a single one go on."""
    bed = Bed()
    bed.enable(9)
    bed[CR] = ENABLE | CNTSTRT
    bed.bench.run(15)
    bed[CR] = ENABLE | SNGSTRT
    bed.bench.run(4)
    assert bed[CNT] == 9
    bed.bench.run(10)
    assert bed[CNT] == 0
    bed[CR] = ENABLE | SNGSTRT
    bed.bench.run(5)
    bed[CR] = ENABLE | CNTSTRT
    bed.bench.run(10)
    assert bed[CNT] == 5


@pytest.mark.parametrize(("configuration", "first"), [(0, 10), (PRELOAD, 20)])
def test_a_new_period_begins_at_once_or_with_preload_at_the_end_of_the_last(configuration, first):
    bed = Bed()
    bed.enable(19, 0, configuration)
    bed[CR] = ENABLE | CNTSTRT
    bed.bench.run(2)
    bed[ARR] = 9
    bed.bench.run(first - 3)
    assert bed[CNT] == first - 1
    bed.bench.run(1)
    assert bed[CNT] == 0
    bed.bench.run(10)
    assert bed[CNT] == 0


def test_disabling_zeroes_the_count_and_keeps_the_values():
    bed = Bed()
    bed.enable(9, 4)
    bed[CR] = ENABLE | CNTSTRT
    bed.bench.run(7)
    bed[CR] = 0
    assert (bed[CNT], bed[ARR], bed[CMP]) == (0, 9, 4)
    bed.bench.run(100)
    bed[CR] = ENABLE
    bed.bench.run(100)
    assert bed[CNT] == 0


def test_a_clock_that_stands_leaves_the_count_where_it_is():
    bed = Bed()
    bed.enable(0xFFFF)
    bed[CR] = ENABLE | CNTSTRT
    bed.bench.run(1234)
    bed.bench.change(bed.clock, 0)
    bed.bench.run(10_000)
    assert bed[CNT] == 1234
    bed.bench.change(bed.clock, Fraction(1, 2))
    bed.bench.run(20)
    assert bed[CNT] == 1244


@pytest.mark.parametrize("selection", [1, 1 << 17, 1 << 23, 1 << 24])
def test_what_comes_from_pins_is_named_and_lets_it_stand(selection, caplog):
    bed = Bed()
    bed.enable(9, 4, selection)
    for _ in range(2):
        bed[CR] = ENABLE | CNTSTRT
    bed.bench.run(100)
    assert bed[CNT] == 0
    assert caplog.messages == [
        "LPTIM1.CFGR selects a clock or a trigger from pins, so that it stands"
    ]


def test_who_polls_the_count_finds_an_event_at_its_next_change():
    bed = Bed(Fraction(1, 100))
    bed.enable(0xFFFF, 0xFFFE)
    bed[CR] = ENABLE | CNTSTRT
    for _ in range(2):
        bed[CNT]
    assert bed.bench.events.next_cycle == bed.bench.cycle // 100 * 100 + 100
