"""Both watchdogs at their ticks (RM0385 chapters 27 and 28), on a bench without a core."""

from __future__ import annotations

import pytest
from rig import Bench

from usim.devices.peripherals import iwdg, wwdg
from usim.devices.peripherals.iwdg import IndependentWatchdog
from usim.devices.peripherals.reset_cause import ResetCause
from usim.devices.peripherals.wwdg import WindowWatchdog

START, RELOAD, UNLOCK = 0xCCCC, 0xAAAA, 0x5555


class Independent:
    """An IWDG; time is told in ticks of the LSI."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.resets: list[tuple[int, ResetCause]] = []
        self.dog = IndependentWatchdog(self.bench.events, self.bench.domain(), self.note)

    def note(self, cause: ResetCause) -> None:
        self.resets.append((self.bench.events.now, cause))

    def write(self, offset: int, value: int) -> None:
        self.dog.write(offset, 4, value)

    def set_up(self, prescaler: int, reload: int, window: int | None = None) -> None:
        self.write(iwdg.KR, UNLOCK)
        self.write(iwdg.PR, prescaler)
        self.write(iwdg.RLR, reload)
        if window is not None:
            self.write(iwdg.WINR, window)
        assert self.dog.read(iwdg.SR, 4)
        self.bench.run(5)
        assert self.dog.read(iwdg.SR, 4) == 0


@pytest.mark.parametrize(("prescaler", "divider"), [(0, 4), (3, 32), (6, 256), (7, 256)])
def test_it_resets_when_it_has_counted_down(prescaler, divider):
    rig = Independent()
    rig.set_up(prescaler, 99)
    begin = rig.bench.cycle
    rig.write(iwdg.KR, START)
    rig.bench.run(200 * divider)
    assert rig.resets == [(begin + 100 * divider, ResetCause.IWDG)]


def test_reloading_in_time_keeps_it_quiet_and_another_key_locks():
    rig = Independent()
    rig.set_up(0, 9)
    rig.write(iwdg.KR, START)
    for _ in range(50):
        rig.bench.run(39)
        rig.write(iwdg.KR, RELOAD)
    assert rig.resets == []
    rig.write(iwdg.RLR, 100)
    assert rig.dog.read(iwdg.RLR, 4) == 9


def test_reloading_before_the_window_opens_resets():
    rig = Independent()
    rig.set_up(0, 9, window=5)
    rig.write(iwdg.KR, START)
    rig.bench.run(16)
    rig.write(iwdg.KR, RELOAD)
    assert rig.resets == []
    rig.bench.run(15)
    rig.write(iwdg.KR, RELOAD)
    assert [cause for _, cause in rig.resets] == [ResetCause.IWDG]


def test_a_reset_stops_it():
    rig = Independent()
    rig.write(iwdg.KR, START)
    rig.dog.reset()
    rig.bench.run(10**6)
    assert rig.resets == []


class Windowed:
    """A WWDG; time is told in its ticks, PCLK1 / 4096."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.irq = self.bench.line()
        self.resets: list[int] = []
        self.dog = WindowWatchdog(
            self.bench.events,
            self.bench.domain(),
            self.irq,
            lambda _cause: self.resets.append(self.bench.events.now),
        )

    def write(self, offset: int, value: int) -> None:
        self.dog.write(offset, 4, value)


@pytest.mark.parametrize("exponent", [0, 3])
def test_the_early_wake_up_comes_a_count_before_the_reset(exponent):
    rig = Windowed()
    rig.write(wwdg.CFR, exponent << 7 | 1 << 9 | 0x7F)
    rig.write(wwdg.CR, 0x80 | 0x50)
    rig.bench.run(1000)
    assert rig.irq.rises == [0x10 << exponent]
    assert rig.resets == [0x11 << exponent]


def test_reloading_inside_the_window_keeps_it_quiet_and_outside_resets():
    rig = Windowed()
    rig.write(wwdg.CFR, 0x50)
    rig.write(wwdg.CR, 0x80 | 0x60)
    for _ in range(5):
        rig.bench.run(0x10)
        assert rig.dog.read(wwdg.CR, 4) == 0x80 | 0x50
        rig.write(wwdg.CR, 0x60)
    assert rig.resets == []
    rig.bench.run(0xF)
    rig.write(wwdg.CR, 0x60)
    assert rig.resets == [rig.bench.cycle]


def test_it_cannot_be_switched_off_and_clearing_t6_resets():
    rig = Windowed()
    rig.write(wwdg.CR, 0x80 | 0x7F)
    rig.write(wwdg.CR, 0x7F)
    assert rig.dog.read(wwdg.CR, 4) & 0x80
    rig.write(wwdg.CR, 0x3F)
    assert rig.resets == [0]


def test_the_prescaler_runs_on_whatever_is_written():
    rig = Windowed()
    rig.write(wwdg.CFR, 3 << 7 | 0x7F)
    rig.bench.run(7)
    rig.write(wwdg.CR, 0x80 | 0x7F)
    rig.bench.run(1)
    assert rig.dog.read(wwdg.CR, 4) == 0x80 | 0x7E
