"""Checks that a graph read from an untrusted file can be run in its order of operators, and that
planning and lowering it takes little time and memory."""

from __future__ import annotations

from typing import Final

from usim.errors import ModelError
from usim.models.graph import Graph, Operator

_MAX_ARITY: Final = 256
_MAX_NAMED: Final = 1 << 15
_MAX_ACTIVATIONS: Final = 2_048
"""A plan takes time that grows with the square of their number."""
_MAX_READ_BYTES: Final = 128 << 20
"""Operators may share constants, and each packs its weights anew."""


def verify(graph: Graph) -> None:
    """Raise ModelError unless every tensor is written before it is read, and written once.

    Variables have a value from the start; an operator may change one that it takes as input.
    """
    _check_ends(graph)
    _check_amounts(graph)
    known = {tensor.index for tensor in graph.tensors if tensor.data is not None or tensor.variable}
    known.update(graph.inputs)
    for operator in graph.operators:
        _check_inputs(graph, operator, known)
        for index in operator.outputs:
            if index in known:
                raise _error(graph, operator, f"writes {graph.tensors[index]} a second time")
            known.add(index)
    for index in graph.outputs:
        if index not in known:
            raise ModelError(
                f"{graph.file}: no operator writes the output {graph.tensors[index]}",
                file=graph.file,
            )


def _check_ends(graph: Graph) -> None:
    if not graph.inputs or not graph.outputs or not graph.operators:
        raise ModelError(
            f"{graph.file}: the model has {len(graph.operators)} operators, {len(graph.inputs)} "
            f"inputs and {len(graph.outputs)} outputs; at least one of each is needed",
            file=graph.file,
        )
    for what, indices in (("input", graph.inputs), ("output", graph.outputs)):
        for index in indices:
            if graph.tensors[index].data is not None:
                raise ModelError(
                    f"{graph.file}: the {what} {graph.tensors[index]} is a constant",
                    file=graph.file,
                )
    for index in graph.inputs:
        if graph.tensors[index].variable:
            raise ModelError(
                f"{graph.file}: the input {graph.tensors[index]} is a variable", file=graph.file
            )
    if len(set(graph.inputs)) < len(graph.inputs):
        raise ModelError(f"{graph.file}: a tensor is named as input twice", file=graph.file)


def _check_amounts(graph: Graph) -> None:
    named, read_bytes = len(graph.inputs) + len(graph.outputs), 0
    active = {*graph.inputs, *graph.outputs}
    for operator in graph.operators:
        tensors = (*operator.inputs, *operator.outputs)
        if len(tensors) > _MAX_ARITY:
            raise _error(graph, operator, f"names {len(tensors)} tensors, more than {_MAX_ARITY}")
        named += len(tensors)
        for index in tensors:
            if index < 0:
                continue
            if graph.tensors[index].data is None:
                active.add(index)
            else:
                read_bytes += graph.tensors[index].size_bytes
    for count, most, what in (
        (named, _MAX_NAMED, "inputs and outputs of operators"),
        (len(active), _MAX_ACTIVATIONS, "tensors that are no constants"),
        (read_bytes, _MAX_READ_BYTES, "bytes of constants, each counted as often as it is read"),
    ):
        if count > most:
            raise ModelError(
                f"{graph.file}: {count:,} {what}; at most {most:,} are supported", file=graph.file
            )


def _check_inputs(graph: Graph, operator: Operator, known: set[int]) -> None:
    for index in operator.inputs:
        if index >= 0 and index not in known:
            raise _error(graph, operator, f"reads {graph.tensors[index]} before it is written")


def _error(graph: Graph, operator: Operator, message: str) -> ModelError:
    return ModelError(
        f"{graph.file}: operator {operator.index} ({operator.kind}) {message}",
        file=graph.file,
        operator=operator.index,
    )
