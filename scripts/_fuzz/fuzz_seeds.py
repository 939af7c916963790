"""Sound models to start from: one-operator ones of the tests, small networks, and real ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from operator_cases import CASES
from tflite_builder import Op, Tensor, build_model

import usim

_PER_OPERATOR = 6
_NETWORKS = 20
_QUANTIZATION = (0.05, 3)


def make_seeds(folders: Iterable[Path] = ()) -> list[bytes]:
    """The same ones in the same order each time; `folders` may hold more models."""
    seeds = [
        CASES[kind](np.random.default_rng([*kind.encode(), i]), kind)
        for kind in CASES
        for i in range(_PER_OPERATOR)
    ]
    seeds += [random_network(np.random.default_rng(i)) for i in range(_NETWORKS)]
    models = [Path(usim.__file__).parent / "demo" / "cifar10_cnn.tflite"]
    for folder in folders:
        models += sorted(folder.glob("*.tflite"))
    return seeds + [path.read_bytes() for path in models]


def random_network(rng: np.random.Generator) -> bytes:
    """A network of elementwise operators, copies and renamings, with branches that join."""
    network = _Network()
    for _ in range(int(rng.integers(4, 24))):
        network.grow(rng)
    used = {index for operator in network.operators for index in operator.inputs}
    ends = [index for index in network.activations if index not in used]
    return build_model(network.tensors, network.operators, [0], ends)


class _Network:
    def __init__(self) -> None:
        self.tensors = [_tensor([1, 4, 4, 8])]
        self.operators: list[Op] = []
        self.activations = [0]

    def grow(self, rng: np.random.Generator) -> None:
        """One more operator, on activations that are there."""
        source = int(rng.choice(self.activations[-6:]))
        shape = list(self.tensors[source].shape)
        match int(rng.integers(6)):
            case 0 | 1:
                same = [i for i in self.activations if list(self.tensors[i].shape) == shape]
                kind = str(rng.choice(["ADD", "MUL", "MAXIMUM"]))
                self._add(kind, [source, int(rng.choice(same))], [shape])
            case 2:
                joined = [*shape[:-1], 2 * shape[-1]]
                if joined[-1] <= 64:
                    self._add("CONCATENATION", [source, source], [joined], {"Axis": -1})
            case 3:
                if shape[-1] % 2 == 0:
                    halves = [[*shape[:-1], shape[-1] // 2]] * 2
                    self._add("SPLIT", [self._axis(), source], halves, {"NumSplits": 2})
            case 4:
                self._add("RESHAPE", [source], [[1, 1, shape[1] * shape[2], shape[3]]])
            case _:
                self._add("LEAKY_RELU", [source], [shape], {"Alpha": 0.25})

    def _axis(self) -> int:
        self.tensors.append(Tensor([], None, dtype="int32", data=np.array(3, np.int32)))
        return len(self.tensors) - 1

    def _add(
        self, kind: str, inputs: list[int], shapes: list[list[int]], options: dict | None = None
    ) -> None:
        first = len(self.tensors)
        self.tensors += [_tensor(shape) for shape in shapes]
        outputs = list(range(first, len(self.tensors)))
        self.operators.append(Op(kind, inputs, outputs, options or {}))
        self.activations += outputs


def _tensor(shape: list[int]) -> Tensor:
    return Tensor(shape, *_QUANTIZATION)
