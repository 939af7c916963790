"""How a register that counts by itself goes on, as long as nobody interferes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

# Longer than any run.
ENDLESS: Final = 1 << 62


class Pace(NamedTuple):
    """How fast something counts: t cycles from now on, by (part + t * step) // scale."""

    part: int
    step: int
    scale: int

    def divided(self, divider: int, counted: int) -> Pace:
        """Behind a prescaler that has counted so many of `divider`."""
        return Pace(counted * self.scale + self.part, self.step, self.scale * divider)


EVERY_CYCLE: Final = Pace(0, 1, 1)


@dataclass(frozen=True, slots=True)
class Course:
    """What a register shows: `value` now, and more at `pace`, or less if it counts down.

    That holds for `lasts` cycles, if nothing is written and no event happens until then.
    """

    value: int
    pace: Pace
    lasts: int
    down: bool = False


def course_of_steps(value: int, steps: int, pace: Pace, *, down: bool = False) -> Course:
    """The course as long as fewer than so many steps are made; the pace must not be still."""
    lasts = -((pace.part - steps * pace.scale) // pace.step)
    return Course(value, pace, lasts, down)
