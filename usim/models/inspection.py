"""What a model is and what it would take, found without a device and without running anything.

A model with operators that usim does not have can be inspected too: they are named, and the memory
plan takes them as operators that need no scratch memory and work on no buffer in place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path

from usim.errors import ModelError
from usim.models.graph import Graph, Operator, Options, TensorSpec, Unsupported
from usim.models.lowering import LoweredModel
from usim.models.model import Model
from usim.models.operators import OPERATORS
from usim.models.operators.base import Alias, Node
from usim.models.planner import ArenaPlan, plan_graph
from usim.models.tflite import load_graph


@dataclass(frozen=True, slots=True)
class OperatorFacts:
    """One operator. `macs` is None where `problem` says why usim cannot run it.

    `constant_bytes` are those of the file's constants that it is the first to read; `renames` says
    that it only gives its input another shape, `is_view` that inputs and outputs share their bytes
    in the arena, `folded` that nothing is left to do, as where its output is a constant, `done_by`
    that another operator, by its index, does its work: it needs no code.
    """

    index: int
    kind: str
    inputs: tuple[TensorSpec, ...]
    constants: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    options: tuple[tuple[str, str], ...]
    macs: int | None
    constant_bytes: int
    renames: bool
    is_view: bool
    folded: bool
    done_by: int | None
    problem: str | None

    @property
    def options_text(self) -> str:
        """What matters of the options, as one line: words speak for themselves, numbers do not."""
        return ", ".join(_words(name, value) for name, value in self.options)


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """A whole model. `lowered` is None if usim cannot run it; `plan` is there in any case."""

    file: str
    file_bytes: int
    description: str
    graph: Graph
    operators: tuple[OperatorFacts, ...]
    plan: ArenaPlan
    lowered: LoweredModel | None

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self.graph.input_specs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self.graph.output_specs

    @property
    def macs(self) -> int:
        """Of one inference, as far as they are known."""
        return sum(operator.macs or 0 for operator in self.operators)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why usim cannot run it; nothing if it can."""
        return tuple(operator.problem for operator in self.operators if operator.problem)

    @property
    def file_constant_bytes(self) -> int:
        """Of all constants that operators read, each counted once, as the file has them."""
        return sum(operator.constant_bytes for operator in self.operators)

    @property
    def device_constant_bytes(self) -> int | None:
        """Of what is placed on the device: weights as kernels want them, multipliers, tables."""
        return self.lowered.constant_bytes if self.lowered else None


def inspect_model(path: str | Path) -> Inspection:
    """Read and plan a model. ModelError for a file that is damaged or no model at all."""
    graph = load_graph(path, keep_unsupported=True)
    return inspect_graph(graph, Path(path).stat().st_size)


def inspect_graph(graph: Graph, file_bytes: int = 0) -> Inspection:
    """Inspect a graph that was read with `keep_unsupported`."""
    aliases: dict[int, int] = {}
    counted: set[int] = set()
    operators = tuple(_operator(graph, operator, aliases, counted) for operator in graph.operators)
    runs = not any(operator.problem for operator in operators)
    lowered = Model(graph).lowered if runs else None
    if lowered:
        coded = {call.index for call in lowered.calls} | set(lowered.sums)
        operators = tuple(
            replace(
                item,
                is_view=not (item.renames or item.folded or item.index in coded),
                done_by=lowered.sums.get(item.index, item.done_by),
            )
            for item in operators
        )
    return Inspection(
        file=graph.file,
        file_bytes=file_bytes,
        description=graph.description,
        graph=graph,
        operators=operators,
        plan=lowered.plan if lowered else plan_graph(graph, aliases),
        lowered=lowered,
    )


def _operator(
    graph: Graph, operator: Operator, aliases: dict[int, int], counted: set[int]
) -> OperatorFacts:
    """One operator's facts; notes its alias, and which constants have been counted."""
    read = [graph.tensors[index] for index in operator.inputs if index >= 0]
    constants = tuple(tensor for tensor in read if tensor.data is not None)
    new = {tensor.index: tensor for tensor in constants if tensor.index not in counted}
    counted.update(new)
    macs: int | None = None
    problem, renames = None, False
    try:
        if isinstance(operator.options, Unsupported):
            raise ModelError(operator.options.reason)
        result = None if operator.folded else OPERATORS[operator.kind].lower(Node(graph, operator))
        if result is None:
            macs = 0
        elif isinstance(result, Alias):
            aliases[result.target] = result.source
            macs, renames = 0, True
        else:
            macs = result.macs
    except ModelError as exc:
        problem = str(exc).removeprefix(f"{graph.file}: ")
    return OperatorFacts(
        index=operator.index,
        kind=operator.kind,
        inputs=tuple(tensor for tensor in read if tensor.data is None),
        constants=constants,
        outputs=tuple(graph.tensors[index] for index in operator.outputs),
        options=tuple(_shown_options(operator.options)),
        macs=macs,
        constant_bytes=sum(tensor.size_bytes for tensor in new.values()),
        renames=renames,
        is_view=False,  # not known before all of the graph is planned
        folded=operator.folded,
        done_by=operator.done_by,
        problem=problem,
    )


def _words(name: str, value: str) -> str:
    if value == "yes":
        return name
    return value if value.isalpha() else f"{name} {value}"


_PLAIN = ("", "0", "1", "1x1", "none", "no")
"""Values that every operator has where nothing was asked for: a stride of 1, no activation."""


def _shown_options(options: Options) -> Iterator[tuple[str, str]]:
    """(name, value) of the options that differ from what goes without saying."""
    if isinstance(options, Unsupported):
        return
    for name, value in _flat(options):
        text = _text(value)
        if text not in _PLAIN:
            yield name.replace("_", " "), text


def _flat(facts: object) -> Iterator[tuple[str, object]]:
    if not is_dataclass(facts):
        return
    for field in fields(facts):
        if not field.repr:
            continue  # a detail
        value = getattr(facts, field.name)
        if is_dataclass(value):
            yield from _flat(value)
        else:
            yield field.name, value


def _text(value: object) -> str:
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "x".join(_text(item) for item in value)
    if isinstance(value, float) and math.isfinite(value):
        return "1" if value == 1 else f"{value:g}"
    return "" if value is None else str(value)


def views(plan: ArenaPlan) -> tuple[int, ...]:
    """The tensors that lie in another one's buffer, in their order."""
    return tuple(tensor for tensor in sorted(plan.aliases) if plan.holds(tensor))
