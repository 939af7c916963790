"""TensorFlow Lite Micro's answers: the reference that everything here is compared with."""

from __future__ import annotations

import numpy as np
from tflite_micro import runtime

from usim.models.graph import Graph

ARENA_BYTES = 1 << 20


class Reference:
    """A model that keeps its variables from one inference to the next."""

    def __init__(self, model: bytes, outputs: int = 1) -> None:
        self._interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA_BYTES)
        self._outputs = outputs

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """The model's outputs."""
        for index, data in enumerate(inputs):
            self._interpreter.set_input(data, index)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(i)) for i in range(self._outputs)]


def run_reference(model: bytes, *inputs: np.ndarray, outputs: int = 1) -> list[np.ndarray]:
    """The model's outputs, from a fresh start."""
    return Reference(model, outputs).run(*inputs)


class LayerReference:
    """A model whose tensors can all be looked at; it keeps its variables, too."""

    def __init__(self, model: bytes, graph: Graph) -> None:
        self._graph = graph
        self._interpreter = runtime.Interpreter.from_bytes(
            model,
            arena_size=ARENA_BYTES,
            intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
        )

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """The (first) output of every operator, in order."""
        for index, data in enumerate(inputs):
            self._interpreter.set_input(data, index)
        self._interpreter.invoke()
        return [
            np.array(self._interpreter.GetTensor(op.outputs[0], 0)["tensor_data"])
            for op in self._graph.operators
        ]


def run_reference_layers(model: bytes, graph: Graph, *inputs: np.ndarray) -> list[np.ndarray]:
    """The output of every operator, in order, from a fresh start."""
    return LayerReference(model, graph).run(*inputs)
