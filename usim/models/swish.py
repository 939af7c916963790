"""Makes one operator of x * LOGISTIC(x): of an 8-bit value, that is a table like any other.

Networks with that activation (SiLU, swish) have it after nearly every convolution, and TensorFlow
Lite has no operator for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from usim.models.graph import Graph, Operator, TensorSpec
from usim.models.operators.mul import GatedOptions, MulOptions


def join_swishes(graph: Graph) -> Graph:
    """The graph with the LOGISTIC taken into the MUL wherever nothing else reads its output."""
    readers = Counter(index for operator in graph.operators for index in operator.inputs)
    readers.update(graph.outputs)
    gates = {
        operator.outputs[0]: operator
        for operator in graph.operators
        if operator.kind == "LOGISTIC" and len(operator.inputs) == len(operator.outputs) == 1
    }
    operators = list(graph.operators)
    for operator in graph.operators:
        gate = _gate(graph, operator, gates)
        if gate is None or readers[gate.outputs[0]] != 1:
            continue
        assert isinstance(operator.options, MulOptions)
        spec = graph.tensors[gate.outputs[0]]
        options = GatedOptions(operator.options.activation, spec.scale, spec.zero_point)
        operators[operator.index] = replace(operator, inputs=gate.inputs, options=options)
        operators[gate.index] = _done_by(operator, gate)
    return replace(graph, operators=tuple(operators))


def _gate(graph: Graph, operator: Operator, gates: dict[int, Operator]) -> Operator | None:
    """The LOGISTIC of x, if the operator is MUL of x and its output."""
    if operator.kind != "MUL" or not isinstance(operator.options, MulOptions):
        return None
    if len(operator.inputs) != 2 or len(operator.outputs) != 1:
        return None
    for source, gated in (operator.inputs, operator.inputs[::-1]):
        gate = gates.get(gated)
        if gate is None or gate.inputs[0] != source:
            continue
        specs = [graph.tensors[index] for index in (source, gated, operator.outputs[0])]
        if all(_usual(spec, specs[0].shape) for spec in specs):
            return gate if specs[0].data is None and not specs[0].variable else None
    return None


def _done_by(operator: Operator, gate: Operator) -> Operator:
    return replace(gate, inputs=(), outputs=(), folded=True, done_by=operator.index)


def _usual(spec: TensorSpec, shape: tuple[int, ...]) -> bool:
    """Whether both operators would take it."""
    quantization = spec.quantization
    one_scale = quantization is not None and not quantization.per_channel
    return spec.dtype == "int8" and one_scale and spec.shape == shape
