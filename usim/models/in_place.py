"""Which operators write their output over their input: functions of one value, by a table.

Such an operator needs one buffer instead of two. It must be the last that reads its input, and
nothing else may lie in the input's bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from usim.models.graph import Graph
from usim.models.operators.base import Alias, KernelCall, KernelSequence, Lowering

_KERNELS: Final = frozenset({"lookup"})


def written_in_place(graph: Graph, lowerings: Sequence[tuple[int, Lowering]]) -> tuple[Alias, ...]:
    """The outputs that are to take their inputs' bytes; their operators still need code."""
    touching: dict[int, list[int]] = {}
    for operator in graph.operators:
        for tensor in {*operator.inputs, *operator.outputs}:
            touching.setdefault(tensor, []).append(operator.index)
    moves = {index for index, lowering in lowerings if _shares(lowering)}
    found = []
    for index, lowering in lowerings:
        if not isinstance(lowering, KernelCall) or lowering.kernel not in _KERNELS:
            continue
        source, target = lowering.pointers[0].target, lowering.pointers[-1].target
        assert isinstance(source, int)
        assert isinstance(target, int)
        spec, result = graph.tensors[source], graph.tensors[target]
        is_last = index == max(touching[source]) and not moves & set(touching[source])
        plain = spec.data is None and not spec.variable and not result.variable
        if (
            is_last
            and plain
            and source not in graph.outputs
            and spec.size_bytes == result.size_bytes
        ):
            found.append(Alias(source, target))
    return tuple(found)


def _shares(lowering: Lowering) -> bool:
    """Whether it makes tensors share their bytes, or could."""
    return isinstance(lowering, Alias) or (
        isinstance(lowering, KernelSequence) and bool(lowering.views)
    )
