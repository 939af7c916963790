"""The counter's arithmetic against one that is stepped tick by tick as the manual draws it."""

from __future__ import annotations

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from usim.devices.peripherals.tim_counter import Buffered, Counter


class Stepped:
    """RM0385, "Counter modes": what happens at each tick of the timer's clock."""

    def __init__(self, counter: Counter) -> None:
        self.c = counter
        self.updated = False
        self.matched = 0

    def tick(self) -> None:
        c = self.c
        if not c.enabled or c.reload.active == 0:
            return
        if c.prescaled < c.prescaler.active:
            c.prescaled += 1
            return
        c.prescaled = 0
        overflow, turned = self._step()
        for channel, register in enumerate(c.compare):
            at = register.active if not turned else self.before[channel]
            direction = 1 if self.was_down else 2
            if c.centre and not c.centre & direction:
                continue
            hit = self.reached == at
            over = overflow and at > self.limit and not (c.centre and self.was_down)
            if hit or over:
                self.matched |= 1 << channel

    def _step(self) -> tuple[bool, bool]:
        c = self.c
        self.before = [register.active for register in c.compare]
        self.limit = limit = c.reload.active
        self.was_down = c.down
        if c.centre:
            c.value += -1 if c.down else 1
            self.reached = c.value
            if c.value not in (0 if c.down else limit,):
                return False, False
            c.down = not c.down
            self._overflow()
            return True, True
        if c.down:
            if c.value:
                c.value -= 1
                self.reached = c.value
                return False, False
            self._overflow()
            c.value = c.reload.active
            self.reached = limit
            return True, True
        if c.value == limit:
            self._overflow()
            c.value = self.reached = 0
            return True, True
        c.value = self.reached = (c.value + 1) & c.mask
        return False, False

    def _overflow(self) -> None:
        c = self.c
        if c.update_disabled:
            return
        if c.repetitions_left:
            c.repetitions_left -= 1
            return
        self.updated = True
        c.update()
        c.enabled = c.enabled and not c.one_pulse


small = st.integers(0, 9)


@st.composite
def counters(draw: st.DrawFn) -> Counter:
    centre = draw(st.sampled_from([0, 0, 1, 2, 3]))
    limit = draw(st.integers(0, 9))

    def buffered(value: int) -> Buffered:
        return Buffered(draw(st.sampled_from([value, draw(small)])), value)

    down = draw(st.booleans())
    # Centre-aligned counting starts between the ends.
    lowest, highest = (1, max(limit, 1)) if centre and down else (0, max(limit - 1, 0))
    return Counter(
        mask=15,
        reload=Buffered(limit, limit) if centre else buffered(limit),
        prescaler=buffered(draw(st.integers(0, 3))),
        repetition=buffered(draw(st.integers(0, 3))),
        compare=tuple(buffered(draw(st.integers(0, 12))) for _ in range(2)),
        comparing=3,
        value=draw(st.integers(lowest, highest) if centre else st.integers(0, 15)),
        enabled=True,
        down=down,
        centre=centre,
        update_disabled=draw(st.booleans()),
        one_pulse=draw(st.sampled_from([False, False, True])),
    )


@settings(max_examples=600, deadline=None)
@given(counters(), st.lists(st.integers(0, 200), min_size=1, max_size=5))
def test_any_number_of_ticks_is_as_good_as_single_ones(counter, spans):
    stepped = Stepped(copy.deepcopy(counter))
    for span in spans:
        stepped.updated, stepped.matched = False, 0
        for _ in range(span):
            stepped.tick()
        passed = counter.advance(span)
        assert counter == stepped.c
        assert (passed.updated, passed.matched) == (stepped.updated, stepped.matched)


@settings(max_examples=600, deadline=None)
@given(counters(), st.integers(0, 3), st.booleans())
def test_nothing_that_is_waited_for_happens_before_its_announcement(counter, matches, update):
    ticks = counter.ticks_to_next(matches, update=update and not counter.update_disabled)
    horizon = 300 if ticks is None else ticks - 1
    passed = counter.advance(horizon)
    if update:
        assert not passed.updated
    assert not passed.matched & matches
