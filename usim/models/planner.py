"""Places a graph's activations in one arena: who lives where, and when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Final

from usim.models.graph import Graph

ALIGNMENT = 16
"""Bytes; every activation starts at a multiple of it, so that kernels may use wide loads."""

_MAX_IMPROVED: Final = 128
_MAX_ROUNDS: Final = 24
"""A plan of more buffers than that is made once; others in each order in so many more ways."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A buffer that holds `tensor` from step `first` to step `last`, both included.

    Step i is the run of operator i. Step -1 is the writing of the inputs, and the last operator's
    step + 1 is the reading of the outputs.
    """

    tensor: int
    size_bytes: int
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a buffer is: `offset` bytes from the arena's start."""

    lifetime: Lifetime
    offset: int

    @property
    def end(self) -> int:
        return self.offset + aligned(self.lifetime.size_bytes)


@dataclass(frozen=True)
class ArenaPlan:
    """All placements, by tensor; an alias shares the buffer of the tensor that it is part of,
    from `shifts` bytes on (0 where there is none)."""

    placements: tuple[Placement, ...]
    aliases: Mapping[int, int]
    size_bytes: int
    lower_bound_bytes: int
    """The largest set of bytes that are alive at once: no plan can be smaller than that."""
    shifts: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def _by_tensor(self) -> Mapping[int, Placement]:
        return {placement.lifetime.tensor: placement for placement in self.placements}

    def holds(self, tensor: int) -> bool:
        """Whether `tensor` lives in the arena."""
        return self.aliases.get(tensor, tensor) in self._by_tensor

    def placement(self, tensor: int) -> Placement:
        """The buffer that `tensor` lies in. KeyError if it lies in none."""
        return self._by_tensor[self.aliases.get(tensor, tensor)]

    def offset(self, tensor: int) -> int:
        return self.placement(tensor).offset + self.shifts.get(tensor, 0)


def aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT) * ALIGNMENT


def plan_graph(
    graph: Graph, aliases: Mapping[int, int], shifts: Mapping[int, int] | None = None
) -> ArenaPlan:
    """Plan a graph's activations. `aliases` maps a tensor to the one whose buffer it shares, and
    `shifts` to where in that it starts."""
    owners = {tensor: _owner(tensor, aliases) for tensor in aliases}
    return replace(plan_arena(_lifetimes(graph, owners), owners), shifts=dict(shifts or {}))


def plan_arena(
    lifetimes: Sequence[Lifetime], aliases: Mapping[int, int] | None = None
) -> ArenaPlan:
    """Place one buffer after the other, in several orders until one needs no more than the least
    that there can be; a small plan's order is then improved step by step."""
    bound = _largest_live_set(lifetimes)
    best: list[Placement] | None = None
    for key in _ORDERS if len(lifetimes) <= _MAX_IMPROVED else _ORDERS[:1]:
        placed = _improved(sorted(lifetimes, key=key), bound)
        if best is None or _size_bytes(placed) < _size_bytes(best):
            best = placed
        if _size_bytes(best) == bound:
            break
    assert best is not None
    return ArenaPlan(
        placements=tuple(sorted(best, key=lambda placement: placement.lifetime.tensor)),
        aliases=dict(aliases or {}),
        size_bytes=_size_bytes(best),
        lower_bound_bytes=bound,
    )


def _length(lifetime: Lifetime) -> int:
    return lifetime.last - lifetime.first + 1


_ORDERS: Final[tuple[Callable[[Lifetime], tuple[int, ...]], ...]] = (
    lambda item: (-item.size_bytes, item.first, item.tensor),
    lambda item: (-_length(item), -item.size_bytes, item.tensor),
    lambda item: (-_length(item) * item.size_bytes, item.first, item.tensor),
    lambda item: (item.first, -item.size_bytes, item.tensor),
    lambda item: (-item.last, -item.size_bytes, item.tensor),
)
"""The largest first is best for most networks, and the only one tried for very large ones."""


def _improved(order: list[Lifetime], bound: int) -> list[Placement]:
    """Placements in that order, or a better one: what ends highest goes first, time and again."""
    placed = best = _placed(order)
    rounds = min(len(order), _MAX_ROUNDS) if len(order) <= _MAX_IMPROVED else 0
    for _ in range(rounds):
        if _size_bytes(best) == bound:
            break
        top = max(placed, key=lambda placement: placement.end).lifetime
        position = order.index(top)
        if position == 0:
            break
        order.insert(position // 2, order.pop(position))
        placed = _placed(order)
        if _size_bytes(placed) < _size_bytes(best):
            best = placed
    return best


def _placed(order: Sequence[Lifetime]) -> list[Placement]:
    placed: list[Placement] = []
    for lifetime in order:
        placed.append(Placement(lifetime, _best_offset(lifetime, placed)))
    return placed


def _size_bytes(placed: Sequence[Placement]) -> int:
    return max((placement.end for placement in placed), default=0)


def _best_offset(lifetime: Lifetime, placed: Sequence[Placement]) -> int:
    """The start of the smallest sufficient gap between the buffers alive at the same time."""
    needed, first, last = aligned(lifetime.size_bytes), lifetime.first, lifetime.last
    # As Lifetime.overlaps, without a call: this is most of the time that a large plan takes.
    neighbours = sorted(
        (
            other
            for other in placed
            if other.lifetime.first <= last and first <= other.lifetime.last
        ),
        key=lambda placement: placement.offset,
    )
    gaps: list[tuple[int, int]] = []
    end = 0
    for neighbour in neighbours:
        if neighbour.offset - end >= needed:
            gaps.append((neighbour.offset - end, end))
        end = max(end, neighbour.end)
    return min(gaps)[1] if gaps else end


def _largest_live_set(lifetimes: Sequence[Lifetime]) -> int:
    changes: dict[int, int] = defaultdict(int)
    for item in lifetimes:
        changes[item.first] += aligned(item.size_bytes)
        changes[item.last + 1] -= aligned(item.size_bytes)
    return max(accumulate(changes[step] for step in sorted(changes)), default=0)


def _owner(tensor: int, aliases: Mapping[int, int]) -> int:
    while tensor in aliases:
        tensor = aliases[tensor]
    return tensor


def _lifetimes(graph: Graph, owners: Mapping[int, int]) -> list[Lifetime]:
    spans: dict[int, tuple[int, int]] = {}

    def touch(tensor: int, step: int) -> None:
        if tensor < 0 or graph.tensors[tensor].data is not None:
            return
        owner = owners.get(tensor, tensor)
        first, last = spans.get(owner, (step, step))
        spans[owner] = (min(first, step), max(last, step))

    for tensor in graph.inputs:
        touch(tensor, -1)
    for operator in graph.operators:
        for tensor in (*operator.inputs, *operator.outputs):
            touch(tensor, operator.index)
    for tensor in graph.outputs:
        touch(tensor, len(graph.operators))
    for tensor in [tensor for tensor in spans if graph.tensors[tensor].variable]:
        # It holds its value between inferences, so nothing else may ever use its bytes.
        touch(tensor, -1)
        touch(tensor, len(graph.operators))
    return [
        Lifetime(tensor, graph.tensors[tensor].size_bytes, first, last)
        for tensor, (first, last) in sorted(spans.items())
    ]
