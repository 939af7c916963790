"""Turns a graph into what a session runs: C source, constants, an arena plan, a list of calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from usim.models.fusing import fuse_sums
from usim.models.graph import Graph, TensorSpec
from usim.models.in_place import written_in_place
from usim.models.operators import OPERATORS
from usim.models.operators.base import (
    Alias,
    KernelSequence,
    Lowering,
    NewConstant,
    Node,
    Pointer,
    Step,
)
from usim.models.planner import ArenaPlan
from usim.models.sharing import arrange

MAX_NEW_CONSTANT_BYTES: Final = 128 << 20
"""Far more than any device has: it bounds the host's memory, as operators may share a constant."""


@dataclass(frozen=True, slots=True)
class Activation:
    """An argument in the arena: `size_bytes` bytes at `offset`, which are the graph's `tensor`."""

    tensor: int
    offset: int
    size_bytes: int
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ConstantRef:
    """An argument that is constant: an index into `LoweredModel.constants`."""

    index: int


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Read-only data that the session places once. `data` is contiguous."""

    name: str
    data: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Variable:
    """A tensor that keeps its value from one inference to the next.

    The session fills it with `initial`, a stored value, when it loads the model.
    """

    place: Activation
    initial: int


@dataclass(frozen=True, slots=True)
class LayerCall:
    """One call: `function(arguments...)`, all of them pointers, the outputs last.

    `index` is the operator's index in the graph, so calls skip those that need no code.
    `output_shape` is the first output's. `scratch_bytes` it takes from the workspace while it runs.
    """

    index: int
    kind: str
    function: str
    arguments: tuple[Activation | ConstantRef, ...]
    output_shape: tuple[int, ...]
    macs: int
    output_count: int = 1
    scratch_bytes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LoweredModel:
    """Everything that running a model takes, without any device in it.

    `source` depends on shapes and quantisation only, not on weights (but for whether sums are so
    large that they need more care). It is compiled with the folders kernels/ and device_runtime/ as
    include path; every function returns int32_t, 0 for success. `inputs` and `outputs` say where in
    the arena the model's own tensors are, in the file's order, as `input_specs` and `output_specs`
    say what they mean. `variables` are those of the arena's tensors that outlive an inference.
    `sums` are the ADD operators whose work a convolution does: the index of one to the other's.
    """

    source: str
    constants: tuple[Constant, ...]
    plan: ArenaPlan
    calls: tuple[LayerCall, ...]
    inputs: tuple[Activation, ...]
    outputs: tuple[Activation, ...]
    input_specs: tuple[TensorSpec, ...]
    output_specs: tuple[TensorSpec, ...]
    variables: tuple[Variable, ...]
    sums: Mapping[int, int]

    @property
    def macs(self) -> int:
        return sum(call.macs for call in self.calls)

    @property
    def constant_bytes(self) -> int:
        return sum(constant.data.nbytes for constant in self.constants)


def lower(graph: Graph) -> LoweredModel:
    """Lower a verified graph; ModelError names the operator that cannot be."""
    fusion = fuse_sums(graph, _lowerings(graph))
    graph = fusion.graph
    in_place = written_in_place(graph, fusion.lowerings)
    plan, kernels = arrange(graph, fusion.lowerings, in_place)
    functions = _Functions()
    operands = _Operands(graph, plan)
    calls = tuple(
        _layer_call(graph, index, kernel, functions, operands) for index, kernel in kernels
    )
    return LoweredModel(
        source=functions.source(),
        constants=tuple(operands.constants),
        plan=plan,
        calls=calls,
        inputs=tuple(operands.activation(index) for index in graph.inputs),
        outputs=tuple(operands.activation(index) for index in graph.outputs),
        input_specs=graph.input_specs,
        output_specs=graph.output_specs,
        variables=tuple(
            Variable(operands.activation(tensor.index), tensor.initial_value)
            for tensor in graph.tensors
            if tensor.variable and plan.holds(tensor.index)
        ),
        sums=fusion.sums,
    )


def _lowerings(graph: Graph) -> list[tuple[int, Lowering]]:
    """Each operator's kernels; stops when what they compute for the device takes too much."""
    lowerings: list[tuple[int, Lowering]] = []
    size_bytes = 0
    for operator in graph.operators:
        if operator.folded:
            continue
        lowering = OPERATORS[operator.kind].lower(Node(graph, operator))
        if not isinstance(lowering, Alias):
            targets = [pointer.target for pointer in lowering.pointers]
            size_bytes += sum(item.data.nbytes for item in targets if isinstance(item, NewConstant))
        if size_bytes > MAX_NEW_CONSTANT_BYTES:
            raise Node(graph, operator).error(
                f"packed weights and tables of all operators up to here take more than "
                f"{MAX_NEW_CONSTANT_BYTES:,} bytes"
            )
        lowerings.append((operator.index, lowering))
    return lowerings


def _layer_call(
    graph: Graph, index: int, kernel: KernelSequence, functions: _Functions, operands: _Operands
) -> LayerCall:
    operator = graph.operators[index]
    return LayerCall(
        index=index,
        kind=operator.kind,
        function=functions.name(index, kernel),
        arguments=tuple(operands.argument(index, pointer) for pointer in kernel.pointers),
        output_shape=graph.tensors[operator.outputs[0]].shape,
        macs=kernel.macs,
        output_count=kernel.outputs,
        scratch_bytes=kernel.scratch_bytes,
    )


class _Operands:
    """Turns kernels' pointers into arguments, and collects the constants on the way."""

    def __init__(self, graph: Graph, plan: ArenaPlan) -> None:
        self._graph = graph
        self._plan = plan
        self._known: dict[int, ConstantRef] = {}
        self.constants: list[Constant] = []

    def argument(self, operator: int, pointer: Pointer) -> Activation | ConstantRef:
        if isinstance(pointer.target, NewConstant):
            return self._add(f"layer_{operator:02}_{pointer.name}", pointer.target.data)
        tensor = self._graph.tensors[pointer.target]
        if tensor.data is None:
            return self.activation(tensor.index)
        if tensor.index not in self._known:
            name = f"layer_{operator:02}_{pointer.name}"
            self._known[tensor.index] = self._add(name, tensor.data)
        return self._known[tensor.index]

    def activation(self, index: int) -> Activation:
        tensor = self._graph.tensors[index]
        offset = self._plan.offset(index)
        return Activation(index, offset, tensor.size_bytes, tensor.dtype, tensor.shape)

    def _add(self, name: str, data: npt.NDArray[Any]) -> ConstantRef:
        self.constants.append(Constant(name, np.require(data, requirements=["C", "A"])))
        return ConstantRef(len(self.constants) - 1)


class _Functions:
    """The C functions of a model: one for each distinct kernel and shape, named after its first."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._texts: list[str] = []
        self._kernels: set[str] = set()
        self._scratch = False

    def name(self, index: int, kernel: KernelSequence) -> str:
        body = _body(kernel)
        if body not in self._names:
            self._names[body] = f"layer_{index:02}_{kernel.name}"
            self._texts.append(f"int32_t {self._names[body]}{body}")
            self._kernels.update(step.kernel for step in kernel.steps)
            self._scratch |= kernel.scratch_bytes > 0
        return self._names[body]

    def source(self) -> str:
        headers = ["usim.h"] if self._scratch else []
        headers += [f"{name}/{name}.h" for name in sorted(self._kernels)]
        includes = "\n".join(f'#include "{name}"' for name in headers)
        return "\n\n".join(("// Generated by usim.\n" + includes, *self._texts)) + "\n"


def _body(kernel: KernelSequence) -> str:
    """A function without its name: parameters, and each step with its constant shape."""
    parameters = ", ".join(f"{pointer.c_type} *{pointer.name}" for pointer in kernel.pointers)
    if len(kernel.steps) == 1:
        steps = _step(kernel.steps[0], "    ")
    else:
        steps = "".join(f"    {{\n{_step(step, ' ' * 8)}    }}\n" for step in kernel.steps)
    if kernel.scratch_bytes:
        allocation = _SCRATCH_ALLOCATION.format(size=kernel.scratch_bytes)
        steps = f"{allocation}{steps}    (void)usim_workspace_free(scratch);\n"
    return f"({parameters}) {{\n{steps}    return 0;\n}}"


def _step(step: Step, indent: str) -> str:
    fields = "\n".join(
        f"{indent}    .{name} = {_initializer(value)}," for name, value in step.shape.items()
    )
    arguments = ", ".join(("&shape", *step.arguments))
    return (
        f"{indent}static const struct {step.shape_type} shape = {{\n{fields}\n{indent}}};\n"
        f"{indent}{step.function}({arguments});\n"
    )


def _initializer(value: float | tuple[int, ...]) -> str:
    """An initialiser in C: exact for floats, which are single precision there."""
    if isinstance(value, tuple):
        return f"{{{', '.join(map(str, value))}}}"
    return f"{value.hex()}f" if isinstance(value, float) else str(value)


_SCRATCH_ALLOCATION = """\
    void *scratch = usim_workspace_alloc({size});
    if (scratch == NULL) {{
        usim_set_last_error("no {size} bytes of workspace");
        return -1;
    }}
"""
