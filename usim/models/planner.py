"""Places a graph's activations in one arena: who lives where, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from usim.models.graph import Graph

ALIGNMENT = 16
"""Bytes; every activation starts at a multiple of it, so that kernels may use wide loads."""

_MAX_ROUNDS = 50
_MAX_STEPS = 200_000
"""Orders that are tried to find a smaller plan, and a limit to the pairs of buffers looked at."""


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


@dataclass(frozen=True, slots=True)
class ArenaPlan:
    """All placements, by tensor; an alias shares the buffer of the tensor that it is part of,
    from `shifts` bytes on (0 where there is none)."""

    placements: tuple[Placement, ...]
    aliases: Mapping[int, int]
    size_bytes: int
    lower_bound_bytes: int
    """The largest set of bytes that are alive at once: no plan can be smaller than that."""
    shifts: Mapping[int, int] = field(default_factory=dict)

    def holds(self, tensor: int) -> bool:
        """Whether `tensor` lives in the arena."""
        owner = self.aliases.get(tensor, tensor)
        return any(placement.lifetime.tensor == owner for placement in self.placements)

    def placement(self, tensor: int) -> Placement:
        owner = self.aliases.get(tensor, tensor)
        for placement in self.placements:
            if placement.lifetime.tensor == owner:
                return placement
        raise KeyError(tensor)

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
    """Place the largest buffers first, each in the tightest gap that is free while it lives.

    Where that takes more than the largest live set, the buffer at the top comes earlier in the
    order, again and again, and the best of the plans is taken.
    """
    order = sorted(lifetimes, key=lambda item: (-item.size_bytes, item.first, item.tensor))
    bound = _largest_live_set(lifetimes)
    rounds = min(_MAX_ROUNDS, _MAX_STEPS // max(len(order), 1) ** 2)
    best = placed = _placed(order)
    while _end(best) > bound and rounds > 0:
        rounds -= 1
        top = max(placed, key=lambda placement: placement.end).lifetime
        position = order.index(top)
        if position == 0:
            break
        # To the front if need be: each time it is found at the top, it comes half as late.
        order.insert(position // 2, order.pop(position))
        placed = _placed(order)
        best = min(best, placed, key=_end)
    return ArenaPlan(
        placements=tuple(sorted(best, key=lambda placement: placement.lifetime.tensor)),
        aliases=dict(aliases or {}),
        size_bytes=_end(best),
        lower_bound_bytes=bound,
    )


def _placed(order: Iterable[Lifetime]) -> list[Placement]:
    placed: list[Placement] = []
    for lifetime in order:
        placed.append(Placement(lifetime, _best_offset(lifetime, placed)))
    return placed


def _end(placed: Iterable[Placement]) -> int:
    return max((placement.end for placement in placed), default=0)


def _best_offset(lifetime: Lifetime, placed: Sequence[Placement]) -> int:
    """The start of the smallest sufficient gap between the buffers alive at the same time."""
    needed = aligned(lifetime.size_bytes)
    neighbours = sorted(
        (other for other in placed if other.lifetime.overlaps(lifetime)),
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
    # The live set only grows where a lifetime starts, so its maximum is at one of these steps.
    steps = {lifetime.first for lifetime in lifetimes}
    return max(
        (
            sum(aligned(item.size_bytes) for item in lifetimes if item.first <= step <= item.last)
            for step in steps
        ),
        default=0,
    )


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
