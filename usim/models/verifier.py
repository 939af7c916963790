"""Checks that a graph read from an untrusted file can be run in its order of operators."""

from __future__ import annotations

from usim.errors import ModelError
from usim.models.graph import Graph, Operator


def verify(graph: Graph) -> None:
    """Raise ModelError unless every tensor is written before it is read, and written once.

    Variables have a value from the start; an operator may change one that it takes as input.
    """
    _check_ends(graph)
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
