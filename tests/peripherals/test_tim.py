"""Timers (RM0385 chapters 21 to 25), on a bench without a core; their clock is the core's."""

from __future__ import annotations

from fractions import Fraction

import pytest
from rig import Bench

from usim.devices.peripherals.tim import Timer, TimerLines
from usim.devices.peripherals.tim_registers import (
    ARR,
    BDTR,
    CCMR1,
    CCR,
    CNT,
    CR1,
    DIER,
    EGR,
    PSC,
    RCR,
    SMCR,
    SR,
    TIMERS,
)

TIM1, TIM2, TIM3, TIM6, TIM10 = 0x4001_0000, 0x4000_0000, 0x4000_0400, 0x4000_1000, 0x4001_4400
CEN, UDIS, URS, OPM, DIR, ARPE, UIFREMAP = 1, 2, 4, 8, 16, 128, 1 << 11
UIF, CC1IF = 1, 2


class Bed:
    """A timer on a bench, stopped."""

    def __init__(self, address: int = TIM3, rate: Fraction | int = 1) -> None:
        self.bench = Bench()
        self.clock = self.bench.domain(rate)
        self.lines = {
            name: self.bench.line() for name in ("update", "compare", "trigger", "breaks")
        }
        lines = TimerLines(self.lines["update"])
        if TIMERS[address].is_advanced:
            lines = TimerLines(**self.lines)
        self.timer = Timer(self.bench.events, self.clock, lines, TIMERS[address], "TIM")

    def __getitem__(self, offset: int) -> int:
        return self.timer.read(offset, 4)

    def __setitem__(self, offset: int, value: int) -> None:
        self.timer.write(offset, 4, value)

    def start(self, control: int = 0) -> None:
        """One tick early: the counter starts a tick after CEN."""
        self[CR1] = control | CEN
        self.bench.run(1)


def test_a_million_periods_end_at_their_ticks():
    bed = Bed(TIM2)
    bed[PSC], bed[ARR] = 6, 99
    bed[EGR] = 1
    bed[SR] = 0
    bed[DIER] = UIF
    start = bed.bench.cycle + 1
    bed[CR1] = CEN
    for _ in range(2000):
        bed.bench.run_to(bed.bench.events.next_cycle)
        bed[SR] = 0
    rises = bed.lines["update"].rises
    assert rises == [start + 700 * (period + 1) for period in range(2000)]
    bed.bench.run_to(start + 1_000_000 * 700 - 1)
    assert bed[CNT] == 99
    bed[SR] = 0
    bed.bench.run(1)
    assert (bed[CNT], bed[SR] & UIF, bed.lines["update"].rises[-1]) == (0, 1, bed.bench.cycle)


def test_a_quiet_timer_has_no_events():
    """All flags set and none cleared: nothing that happens can be seen but CNT."""
    bed = Bed()
    bed[ARR] = 1
    bed.start()
    bed.bench.run(10)
    assert bed.bench.events.next_cycle is None
    bed.bench.run(10**12)
    assert bed[CNT] == bed.bench.cycle % 2 ^ 1


def test_the_prescaler_waits_for_the_next_update():
    bed = Bed()
    bed[ARR] = 9
    bed.start()
    bed[PSC] = 1
    bed.bench.run(10)
    assert bed[CNT] == 0
    bed.bench.run(4)
    assert bed[CNT] == 2


@pytest.mark.parametrize(("preload", "counts"), [(0, (2, 2)), (ARPE, (0, 0))])
def test_the_auto_reload_value_is_preloaded_if_asked(preload, counts):
    bed = Bed()
    bed[ARR] = 9
    bed[CR1] = preload
    bed[EGR] = 1
    bed.start(preload)
    bed.bench.run(3)
    bed[ARR] = 3  # at once; with preload from the next period on
    bed[CNT] = 2
    bed.bench.run(8)
    first = bed[CNT]
    bed.bench.run(4)
    assert (first, bed[CNT]) == counts


def test_counting_down_underflows_to_the_reload_value():
    bed = Bed()
    bed[ARR] = 9
    bed[CR1] = DIR
    bed[EGR] = 1
    bed[SR] = 0
    assert bed[CNT] == 9
    bed.start(DIR)
    bed.bench.run(9)
    assert (bed[CNT], bed[SR] & UIF) == (0, 0)
    bed.bench.run(1)
    assert (bed[CNT], bed[SR] & UIF) == (9, UIF)


def test_centre_aligned_counting_turns_at_both_ends():
    bed = Bed()
    bed[ARR] = 4
    bed.start(3 << 5)
    seen = []
    for _ in range(10):
        bed.bench.run(1)
        seen.append((bed[CNT], bool(bed[CR1] & DIR)))
    up, down = False, True
    assert seen == [
        (1, up), (2, up), (3, up), (4, down), (3, down), (2, down), (1, down), (0, up),
        (1, up), (2, up),
    ]  # fmt: skip


def test_one_pulse_stops_at_the_update():
    bed = Bed()
    bed[ARR] = 9
    bed.start(OPM)
    bed.bench.run(100)
    assert (bed[CR1] & CEN, bed[CNT], bed[SR] & UIF) == (0, 0, UIF)


@pytest.mark.parametrize(("control", "flag", "prescaler"), [(0, UIF, 3), (URS, 0, 3), (UDIS, 0, 0)])
def test_an_update_by_software(control, flag, prescaler):
    bed = Bed()
    bed[CR1] = control
    bed[CNT] = 5
    bed[PSC] = 3
    bed[EGR] = 1
    assert (bed[CNT], bed[SR] & UIF) == (0, flag)
    bed.start(control)
    bed.bench.run(8)
    assert bed[CNT] == 8 // (prescaler + 1)


def test_repetitions_of_an_advanced_timer():
    bed = Bed(TIM1)
    bed[ARR], bed[RCR] = 9, 2
    bed[EGR] = 1
    bed[SR] = 0
    bed[DIER] = UIF
    bed.start()
    start = bed.bench.cycle
    bed.bench.run(29)
    assert bed[SR] & UIF == 0
    bed.bench.run(100)
    assert bed.lines["update"].rises == [start + 30]


def test_a_compare_matches_at_its_count_on_the_advanced_timers_own_line():
    bed = Bed(TIM1)
    bed[ARR], bed[CCR[0]] = 99, 40
    bed[DIER] = CC1IF
    bed.start()
    start = bed.bench.cycle
    bed.bench.run(1000)
    assert bed.lines["compare"].rises == [start + 40]
    bed[SR] = ~CC1IF
    bed.bench.run(1000)
    assert bed.lines["compare"].rises == [start + 40, start + 1040]
    assert bed.lines["update"].rises == []


def test_a_general_timer_has_one_line():
    bed = Bed()
    bed[ARR], bed[CCR[1]] = 99, 40
    bed[DIER] = UIF | 1 << 2
    bed.start()
    bed.bench.run(50)
    assert bed.lines["update"].rises == [41]
    bed[SR] = 0
    bed.bench.run(60)
    assert bed.lines["update"].rises == [41, 101]


def test_a_compare_above_the_reload_value_matches_at_the_overflow():
    bed = Bed()
    bed[ARR], bed[CCR[0]] = 9, 50
    bed.start()
    bed.bench.run(9)
    assert bed[SR] & CC1IF == 0
    bed.bench.run(1)
    assert bed[SR] & CC1IF


def test_an_input_channel_does_not_compare(caplog):
    bed = Bed()
    bed[CCMR1] = 1
    bed[ARR], bed[CCR[0]] = 9, 5
    bed.start()
    bed.bench.run(100)
    assert bed[SR] & CC1IF == 0
    assert "TIM.CCMR1: bits 0x0000_0001 have no effect here" in caplog.text


def test_a_break_by_software_takes_the_main_output_away():
    bed = Bed(TIM1)
    bed[BDTR] = 1 << 15
    bed[DIER] = 1 << 7
    bed[EGR] = 1 << 7
    assert bed.lines["breaks"].level
    assert bed[BDTR] == 0


def test_the_update_flag_can_be_read_with_the_count():
    bed = Bed()
    bed[ARR] = 9
    bed.start(UIFREMAP)
    bed.bench.run(15)
    assert bed[CNT] == 1 << 31 | 5


def test_a_basic_timer_has_no_channels():
    bed = Bed(TIM6)
    for offset in (CCR[0], CCMR1, RCR, SMCR):
        bed[offset] = 5
        assert bed[offset] == 0
    bed[ARR] = 0x1_2345
    assert bed[ARR] == 0x2345


def test_a_changed_clock_moves_the_next_update():
    bed = Bed(TIM10)
    bed[ARR] = 99
    bed[DIER] = UIF
    bed.start()
    bed.bench.run(50)
    bed.bench.change(bed.clock, Fraction(1, 2))
    bed.bench.run(200)
    assert bed.lines["update"].rises == [1 + 50 + 100]


def test_an_auto_reload_value_of_zero_blocks_the_counter():
    bed = Bed()
    bed[ARR] = 0
    bed.start()
    bed.bench.run(1000)
    assert (bed[CNT], bed[SR]) == (0, 0)


def test_narrow_accesses_change_their_part():
    bed = Bed(TIM2)
    bed[CNT] = 0x1234_5678
    bed.timer.write(CNT, 2, 0xFFFF)
    assert bed[CNT] == 0x1234_FFFF
