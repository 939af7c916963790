"""TensorFlow Lite Micro's answers: the reference that everything here is compared with."""

from __future__ import annotations

import numpy as np
from tflite_micro import runtime

from usim.models.graph import Graph

ARENA_BYTES = 1 << 20


def run_reference(model: bytes, *inputs: np.ndarray) -> list[np.ndarray]:
    """The model's outputs."""
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA_BYTES)
    for index, data in enumerate(inputs):
        interpreter.set_input(data, index)
    interpreter.invoke()
    return [np.array(interpreter.get_output(0))]


def run_reference_layers(model: bytes, graph: Graph, *inputs: np.ndarray) -> list[np.ndarray]:
    """The output of every operator, in order."""
    interpreter = runtime.Interpreter.from_bytes(
        model,
        arena_size=ARENA_BYTES,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    for index, data in enumerate(inputs):
        interpreter.set_input(data, index)
    interpreter.invoke()
    return [
        np.array(interpreter.GetTensor(op.outputs[0], 0)["tensor_data"]) for op in graph.operators
    ]
