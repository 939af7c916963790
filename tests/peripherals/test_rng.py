"""Random numbers in time (RM0385 chapter 20)."""

from __future__ import annotations

from fractions import Fraction

from rig import Bench

from usim.devices.peripherals.rng import CR, DR, SR, RandomNumbers

RNGEN, IE, DRDY, CECS, CEIS = 4, 8, 1, 2, 1 << 5


class Rig:
    """An RNG at a quarter of the core's clock, enabled."""

    def __init__(self, seed: int = 0, rate: Fraction = Fraction(1, 4)) -> None:
        self.bench = Bench()
        self.clock = self.bench.domain(rate)
        self.irq = self.bench.line()
        self.rng = RandomNumbers(self.bench.events, self.clock, self.irq, seed)
        self.rng.write(CR, 4, RNGEN | IE)

    def numbers(self, count: int) -> list[int]:
        found = []
        for _ in range(count):
            self.bench.run(160)
            assert self.rng.read(SR, 4) & DRDY
            found.append(self.rng.read(DR, 4))
        return found


def test_a_number_takes_forty_periods():
    rig = Rig()
    rig.bench.run(159)
    assert (rig.rng.read(SR, 4), rig.rng.read(DR, 4)) == (0, 0)
    rig.bench.run(1)
    assert rig.rng.read(SR, 4) == DRDY
    assert rig.irq.rises == [160]
    rig.rng.read(DR, 4)
    assert not rig.irq.level
    assert rig.rng.read(SR, 4) == 0


def test_a_seed_decides_on_the_numbers():
    assert Rig(1).numbers(5) == Rig(1).numbers(5)
    assert Rig(1).numbers(5) != Rig(2).numbers(5)
    assert len(set(Rig(3).numbers(50))) == 50


def test_without_its_clock_it_says_so():
    rig = Rig(rate=Fraction(0))
    assert rig.rng.read(SR, 4) == CECS | CEIS
    assert rig.irq.level
    rig.bench.change(rig.clock, Fraction(1, 4))
    rig.rng.write(SR, 4, 0)
    assert rig.rng.read(SR, 4) == 0
    rig.bench.run(160)
    assert rig.rng.read(SR, 4) == DRDY
