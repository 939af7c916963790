"""How close the arena planner comes to the best there is, on small cases and on kinds of nets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usim.models.planner import Lifetime, aligned, plan_arena

SMALL = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=6
)


def smallest_arena(lifetimes: Sequence[Lifetime]) -> int:
    """Exact: buffers of a best plan, taken by their offsets, each fit where the lowest place is."""
    return min(_lowest_fit(order) for order in permutations(lifetimes))


def _lowest_fit(order: Sequence[Lifetime]) -> int:
    placed: list[tuple[int, int, Lifetime]] = []
    for item in order:
        start, size = 0, aligned(item.size_bytes)
        for low, high, other in sorted(placed, key=lambda place: place[0]):
            if other.overlaps(item) and low < start + size and high > start:
                start = high
        placed.append((start, start + size, item))
    return max(high for _, high, _ in placed)


@settings(max_examples=300, deadline=None)
@given(SMALL)
def test_a_plan_of_few_buffers_is_at_most_an_eighth_larger_than_the_best(items):
    lifetimes = [
        Lifetime(i, 16 * size, first, first + length)
        for i, (size, first, length) in enumerate(items)
    ]
    best, plan = smallest_arena(lifetimes), plan_arena(lifetimes)
    assert plan.lower_bound_bytes <= best <= plan.size_bytes <= best * 9 / 8


class Net:
    """Lifetimes of a network that is written down operator by operator."""

    def __init__(self, size: int) -> None:
        self._spans: list[list[int]] = [[size, -1, -1]]
        self._step = 0

    def op(self, size: int, *sources: int) -> int:
        """An operator that reads `sources` and writes a tensor of `size` bytes: the tensor."""
        for source in sources:
            self._spans[source][2] = self._step
        self._spans.append([size, self._step, self._step + 1])
        self._step += 1
        return len(self._spans) - 1

    def lifetimes(self) -> list[Lifetime]:
        return [Lifetime(i, *span) for i, span in enumerate(self._spans)]


def residual() -> Net:
    net, last, size = Net(3072), 0, 16384
    last = net.op(size, last)
    for stage in range(3):
        size = 16384 >> stage
        branch = net.op(size, net.op(size, last))
        shortcut = net.op(size, last) if stage else last
        last = net.op(size, branch, shortcut)
    net.op(64, last)
    return net


def inception() -> Net:
    net, last = Net(27648), 0
    last = net.op(36864, last)
    for channels in (64, 96, 128, 192):
        area = 144
        one = net.op(area * channels // 4, last)
        three = net.op(area * channels // 2, net.op(area * channels // 3, last))
        five = net.op(area * channels // 8, net.op(area * channels // 16, last))
        pooled = net.op(area * channels // 8, net.op(net._spans[last][0], last))
        last = net.op(area * channels, one, three, five, pooled)
    net.op(1000, last)
    return net


def u_net() -> Net:
    net, last, skips = Net(64 * 64 * 3), 0, []
    for level in range(4):
        size = (64 >> level) ** 2 * (8 << level)
        last = net.op(size, net.op(size, last))
        skips.append((last, size))
        last = net.op(size // 4, last)
    for skip, size in reversed(skips):
        up = net.op(size, last)
        last = net.op(size, net.op(2 * size, up, skip))
    net.op(64 * 64, last)
    return net


def dense() -> Net:
    net, parts = Net(3072), []
    parts.append(net.op(8192, 0))
    for _ in range(6):
        joined = net.op(8192 + 4096 * (len(parts) - 1), *parts)
        parts.append(net.op(4096, joined))
    net.op(64, *parts)
    return net


def inverted_bottlenecks() -> Net:
    net, last = Net(96 * 96 * 3), 0
    last = net.op(48 * 48 * 8, last)
    for side, channels in ((48, 8), (24, 16), (24, 16), (12, 24), (12, 24), (6, 48), (6, 48)):
        wide = net.op(net._spans[last][0] * 6, last)
        narrow = net.op(side * side * channels, net.op(side * side * channels * 6, wide))
        same = net._spans[last][0] == net._spans[narrow][0]
        last = net.op(side * side * channels, narrow, last) if same else narrow
    net.op(10, last)
    return net


@pytest.mark.parametrize("build", [residual, inception, u_net, dense, inverted_bottlenecks])
def test_a_networks_plan_is_at_most_two_percent_above_its_largest_live_set(build):
    plan = plan_arena(build().lifetimes())
    assert plan.size_bytes <= plan.lower_bound_bytes * 1.02
