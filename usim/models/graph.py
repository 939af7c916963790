"""What a model says, as plain immutable data: tensors, operators, and which feeds which."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

ITEM_BYTES = {"int8": 1, "uint8": 1, "bool": 1, "int16": 2, "int32": 4, "float32": 4, "int64": 8}
"""The element types that a tensor may have, by numpy's name, and their size."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (stored - zero_point); one pair per tensor, or one per index along `axis`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1


@dataclass(frozen=True, slots=True, eq=False)
class TensorSpec:
    """One tensor of a graph. `data` is set (and read-only) for constants, None for activations.

    A `variable` keeps its value from one inference to the next.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    data: npt.NDArray[Any] | None = None
    variable: bool = False

    @property
    def element_count(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.element_count * ITEM_BYTES[self.dtype]

    @property
    def scale(self) -> float:
        """The scale of a tensor that is quantised as a whole (the reader guarantees it is set)."""
        assert self.quantization is not None
        return self.quantization.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that is quantised as a whole."""
        assert self.quantization is not None
        return self.quantization.zero_points[0]

    @property
    def initial_value(self) -> int:
        """The stored value that fills a variable before the first inference: 0, and the zero point
        of an int8 one, as TensorFlow Lite Micro does it."""
        return self.zero_point if self.dtype == "int8" and self.quantization is not None else 0

    def numpy_dtype(self) -> np.dtype[Any]:
        return np.dtype(self.dtype)

    def __str__(self) -> str:
        return f"tensor {self.index} '{self.name}' {self.dtype}{list(self.shape)}"


class Options:
    """Base of the operators' typed options; each operator's module defines its own."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Unsupported(Options):
    """In place of the options of an operator that can be shown and not run; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. `inputs` may hold -1 for an optional input that is left out.

    One that is `folded` has nothing left to do, and no inputs: its output is a constant, or it has
    none either, as the operator `done_by` does its part.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options
    folded: bool = False
    done_by: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A model: operators in an order in which they can run. `inputs`, `outputs`: tensor indices."""

    file: str
    description: str
    tensors: tuple[TensorSpec, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def input_specs(self) -> tuple[TensorSpec, ...]:
        """The tensors that `inputs` names."""
        return tuple(self.tensors[index] for index in self.inputs)

    @property
    def output_specs(self) -> tuple[TensorSpec, ...]:
        """The tensors that `outputs` names."""
        return tuple(self.tensors[index] for index in self.outputs)
