"""The counter of an STM32F7 timer (RM0385, "Counter modes" of chapters 22 to 24), tick by tick.

It is never stepped: from one turning point of the count to the next all follows from the numbers.
A counter that was set above its auto-reload value counts to its width's end and from zero on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from usim.devices.course import Course, Pace, course_of_steps


@dataclass(slots=True)
class Buffered:
    """A register whose value takes effect at the next update event, or at once."""

    written: int
    active: int

    def load(self) -> None:
        """The update event."""
        self.active = self.written


@dataclass(slots=True)
class Passed:
    """What happened while ticks passed."""

    updated: bool = False
    matched: int = 0  # a bit a channel


@dataclass(slots=True)
class Counter:
    """Prescaler, counter, repetition counter and compare values."""

    mask: int
    reload: Buffered
    prescaler: Buffered = field(default_factory=lambda: Buffered(0, 0))
    repetition: Buffered = field(default_factory=lambda: Buffered(0, 0))
    compare: tuple[Buffered, ...] = ()
    comparing: int = 0  # the channels that are outputs, a bit each
    value: int = 0
    prescaled: int = 0  # what the prescaler has counted
    repetitions_left: int = 0
    enabled: bool = False
    down: bool = False
    centre: int = 0  # CR1.CMS
    update_disabled: bool = False
    one_pulse: bool = False

    @property
    def runs(self) -> bool:
        """Whether it counts; with an auto-reload value of 0 it is blocked."""
        return self.enabled and self.reload.active > 0

    def advance(self, ticks: int) -> Passed:
        """Let ticks of the timer's clock pass."""
        passed = Passed()
        while ticks > 0 and self.runs:
            steps = self._steps_to_turn()
            cost = self._ticks_of(steps)
            if cost > ticks:
                total = self.prescaled + ticks
                steps, self.prescaled = divmod(total, self.prescaler.active + 1)
                passed.matched |= self._matches(steps)
                self.value += -steps if self.down else steps
                break
            ticks -= cost
            passed.matched |= self._matches(steps)
            self._turn(passed)
            ticks -= self._skip_periods(ticks, passed)
        return passed

    def update(self) -> None:
        """The update event's effect on buffered registers and repetitions, unless disabled."""
        if self.update_disabled:
            return
        for register in (self.reload, self.prescaler, self.repetition, *self.compare):
            register.load()
        self.repetitions_left = self.repetition.active

    def restart(self) -> None:
        """What EGR.UG does: from the start, with an update event."""
        self.update()
        self.prescaled = 0
        self.repetitions_left = self.repetition.active
        self.down = self.down and not self.centre
        self.value = self.reload.active if self.down else 0

    def course(self, clock: Pace) -> Course:
        """How `value` goes on up to its next turn, by the pace of the timer's clock."""
        pace = clock.divided(self.prescaler.active + 1, self.prescaled)
        return course_of_steps(self.value, self._steps_to_turn(), pace, down=self.down)

    def ticks_to_next(self, matches: int, *, update: bool) -> int | None:
        """Ticks to the next turn or match that may matter; None if none of the wanted will come."""
        if not self.runs or not (update or self.one_pulse or matches & self.comparing):
            return None
        turn = self._steps_to_turn()
        steps = [turn]
        for channel in range(len(self.compare)):
            if matches & self.comparing & 1 << channel:
                found = self._steps_to_match(channel)
                if found is not None:
                    steps.append(found)
        nearest = min(steps)
        ticks = self._ticks_of(nearest)
        if nearest == turn and not matches & self.comparing and self._is_steady():
            # Nothing but the update counts, and its turns are known.
            ticks += self.repetitions_left * self._ticks_between_turns()
        return ticks

    def _ticks_of(self, steps: int) -> int:
        return steps * (self.prescaler.active + 1) - self.prescaled

    def _steps_to_turn(self) -> int:
        """Steps to the overflow or underflow, or to the width's end."""
        limit = self.reload.active
        if self.centre:
            return max(self.value if self.down else limit - self.value, 1)
        if self.down:
            return self.value + 1
        return (limit if self.value <= limit else self.mask) - self.value + 1

    def _steps_to_match(self, channel: int) -> int | None:
        """Steps to a channel's compare value, the turn included; None if it comes later."""
        at, limit = self.compare[channel].active, self.reload.active
        if self.centre:
            if not self.centre & (1 if self.down else 2):
                return None
            if at > limit:
                return None if self.down else self._steps_to_turn()
            steps = self.value - at if self.down else at - self.value
        elif self.down:
            steps = self.value - at if at < self.value else 0
            if at >= limit and steps <= 0:
                return self._steps_to_turn()
        else:
            # Over the auto-reload value is a match at the overflow (SR.CC1IF).
            is_above = limit < at and self.value <= limit
            if at == 0 or is_above:
                return self._steps_to_turn()
            steps = at - self.value
        return steps if steps > 0 else None

    def _matches(self, steps: int) -> int:
        """The channels that match within steps up to the turn."""
        found = 0
        for channel in range(len(self.compare)):
            if self.comparing & 1 << channel:
                distance = self._steps_to_match(channel)
                if distance is not None and distance <= steps:
                    found |= 1 << channel
        return found

    def _turn(self, passed: Passed) -> None:
        """Go over the overflow or underflow, the prescaler's count being over as well."""
        self.prescaled = 0
        if not self.centre and not self.down and self.value > self.reload.active:
            self.value = 0
            return
        before = self.reload.active
        if self.repetitions_left and not self.update_disabled:
            self.repetitions_left -= 1
        elif not self.update_disabled:
            passed.updated = True
            self.update()
            self.enabled = self.enabled and not self.one_pulse
        if self.centre:
            self.value = 0 if self.down else before
            self.down = not self.down
        else:
            self.value = self.reload.active if self.down else 0

    def _is_steady(self) -> bool:
        """Whether every period is as long as this one."""
        buffers = (self.reload, self.prescaler, self.repetition, *self.compare)
        stops = self.one_pulse and not self.update_disabled
        return not stops and all(register.written == register.active for register in buffers)

    def _ticks_between_turns(self) -> int:
        return (self.reload.active + (0 if self.centre else 1)) * (self.prescaler.active + 1)

    def _skip_periods(self, ticks: int, passed: Passed) -> int:
        """Pass over whole periods that are as the next one; how many ticks they take."""
        period = self._ticks_between_turns() * (2 if self.centre else 1)
        if ticks < 2 * period or not self.runs or not self._is_steady():
            return 0
        periods = ticks // period - 1
        if not self.update_disabled:
            turns = periods * (2 if self.centre else 1)
            passed.updated |= turns > self.repetitions_left
            self.repetitions_left = (self.repetitions_left - turns) % (self.repetition.active + 1)
        return periods * period
