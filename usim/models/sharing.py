"""Decides which tensors share their bytes: layers that would only copy them need no code then."""

from __future__ import annotations

from collections.abc import Container, Sequence

from usim.models.graph import Graph
from usim.models.operators.base import Alias, KernelCall, KernelSequence, Lowering
from usim.models.planner import ALIGNMENT, ArenaPlan, plan_graph

_MAX_TRIALS = 64
_MAX_TRIED_OPERATORS = 256
"""Where all views together cost memory, so many are tried one by one, a plan each, in a graph of at
most so many operators: a plan takes time that grows with the square of their number."""

Arranged = tuple[ArenaPlan, list[tuple[int, KernelSequence]]]
"""A plan, and the operators that still need code, by index."""


def arrange(
    graph: Graph, lowerings: Sequence[tuple[int, Lowering]], in_place: Sequence[Alias] = ()
) -> Arranged:
    """Plan a graph's activations, with as few copies as there can be in the least memory.

    Where parts share a buffer, all of it is taken from the first part on, and until the last one is
    read: that may cost more than the copies. And a model has to have some code. `in_place` are
    outputs of operators with code that take their inputs' bytes.
    """
    candidates = [
        index for index, item in lowerings if isinstance(item, KernelSequence) and item.views
    ]
    best = _arranged(graph, lowerings, in_place, ())
    if not candidates:
        return best
    shared = _arranged(graph, lowerings, in_place, frozenset(candidates))
    if shared[1] and shared[0].size_bytes <= best[0].size_bytes:
        return shared
    chosen: list[int] = []
    trials = _MAX_TRIALS if len(lowerings) <= _MAX_TRIED_OPERATORS else 0
    for index in candidates[:trials]:
        trial = _arranged(graph, lowerings, in_place, [*chosen, index])
        if trial[1] and trial[0].size_bytes <= best[0].size_bytes:
            chosen.append(index)
            best = trial
    return best


def _arranged(
    graph: Graph,
    lowerings: Sequence[tuple[int, Lowering]],
    in_place: Sequence[Alias],
    viewed: Container[int],
) -> Arranged:
    """With views, if they are possible, for the operators `viewed`."""
    kernels: list[tuple[int, KernelSequence]] = []
    sharing = Sharing(graph)
    for alias in in_place:
        sharing.add(alias)
    for index, lowering in lowerings:
        if isinstance(lowering, Alias):
            sharing.add(lowering)
            continue
        sequence = lowering.sequence() if isinstance(lowering, KernelCall) else lowering
        if not (index in viewed and sharing.try_views(sequence.views)):
            kernels.append((index, sequence))
    return plan_graph(graph, sharing.owners(), sharing.shifts()), kernels


class Sharing:
    """Which tensor lies in which other one's buffer, and how many bytes from its start."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._links: dict[int, tuple[int, int]] = {}

    def add(self, alias: Alias) -> None:
        """Let a tensor that nothing has been said about yet lie in another one."""
        self._links[alias.target] = (alias.source, alias.offset_bytes)

    def try_views(self, views: Sequence[Alias]) -> bool:
        """Do the same with several tensors, if all of them can: whether they did.

        A target may be known already, as one that CONCATENATION reads: then the buffer that it
        fills moves into the source's. Each has to stand at a multiple of ALIGNMENT, as if it had
        been placed alone.
        """
        moved: dict[int, tuple[int, int]] = {}
        for view in views:
            owner, shift = self.root(view.target)
            home, _ = self.root(view.source)
            whole = self._graph.tensors[owner].size_bytes
            fills = shift == 0 and whole == self._graph.tensors[view.target].size_bytes
            free = self._movable(owner) and self._movable(home)
            if not fills or not free or owner in (home, *moved) or view.offset_bytes % ALIGNMENT:
                return False
            moved[owner] = (view.source, view.offset_bytes)
        self._links.update(moved)
        return bool(views)

    def root(self, tensor: int) -> tuple[int, int]:
        """The tensor whose buffer holds `tensor`, and where in it."""
        shift = 0
        while tensor in self._links:
            tensor, step = self._links[tensor]
            shift += step
        return tensor, shift

    def owners(self) -> dict[int, int]:
        return {tensor: self.root(tensor)[0] for tensor in self._links}

    def shifts(self) -> dict[int, int]:
        return {tensor: self.root(tensor)[1] for tensor in self._links}

    def _movable(self, tensor: int) -> bool:
        # Constants live elsewhere; a variable's bytes are its own, and may change under a view.
        spec = self._graph.tensors[tensor]
        return spec.data is None and not spec.variable
