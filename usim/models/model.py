"""A model as users hold it: its file, its inputs and outputs, and its lowered form."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from usim.errors import ArgumentError
from usim.models.graph import Graph, TensorSpec
from usim.models.lowering import LoweredModel, lower
from usim.models.tflite import load_graph


class Model:
    """A quantised model, read from a .tflite file; nothing here needs a device.

    Arrays may leave out a leading batch extent of 1: an input of shape (1, 32, 32, 3) also takes
    (32, 32, 3).
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read a file. ModelError: not a model, damaged, or with an operator usim does not have."""
        return cls(load_graph(path))

    @cached_property
    def lowered(self) -> LoweredModel:
        """C source, constants, arena plan and calls. ModelError: an operator cannot be lowered."""
        return lower(self.graph)

    @property
    def name(self) -> str:
        """The file's name without folder and suffix."""
        return Path(self.graph.file).stem

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self.graph.input_specs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self.graph.output_specs

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one inference."""
        return self.lowered.macs

    def quantize_input(self, values: npt.ArrayLike, index: int = 0) -> npt.NDArray[Any]:
        """Real values to the stored values of input `index`: scaled, rounded half away, clamped.

        An input that is stored as float32 takes them as they are.
        """
        spec = _pick(self.inputs, index, "input")
        try:
            reals = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as exc:
            raise ArgumentError(f"the input of {self.name} is not an array of numbers") from exc
        return quantize(spec, self._shaped(reals, spec))

    def raw_input(self, values: npt.ArrayLike, index: int = 0) -> npt.NDArray[Any]:
        """Stored values of input `index`, checked: an array of its dtype and shape."""
        spec = _pick(self.inputs, index, "input")
        stored = np.asarray(values)
        if stored.dtype != spec.numpy_dtype():
            raise ArgumentError(f"{spec} of {self.name} got {stored.dtype}; see quantize_input")
        return self._shaped(stored, spec)

    def stored_input(self, values: npt.ArrayLike, index: int = 0) -> npt.NDArray[Any]:
        """Stored values of input `index` from either kind: a float array's through quantize_input,
        an array of the input's own dtype as they are."""
        spec = _pick(self.inputs, index, "input")
        array = np.asarray(values)
        wanted = spec.numpy_dtype()
        if array.dtype.kind == "f":
            return self.quantize_input(array, index)
        # In a file numbers may have the other order of bytes.
        if array.dtype.newbyteorder("=") == wanted:
            array = array.astype(wanted, copy=False)
        if array.dtype != wanted:
            raise ArgumentError(
                f"{spec} of {self.name} got {array.dtype}; it takes {wanted} as stored, or floats"
            )
        return self.raw_input(array, index)

    def dequantize_output(
        self, stored: npt.NDArray[Any], index: int = 0
    ) -> npt.NDArray[np.float64]:
        """Stored values of output `index` to real values."""
        spec = _pick(self.outputs, index, "output")
        if stored.size != spec.element_count:
            raise ArgumentError(f"{spec} of {self.name} has not the shape {list(stored.shape)}")
        return dequantize(spec, stored)

    def _shaped(self, values: npt.NDArray[Any], spec: TensorSpec) -> npt.NDArray[Any]:
        if values.shape not in (spec.shape, spec.shape[1:] if spec.shape[:1] == (1,) else None):
            raise ArgumentError(f"{spec} of {self.name} got an array of {list(values.shape)}")
        return np.ascontiguousarray(values).reshape(spec.shape)

    def __repr__(self) -> str:
        return f"Model({self.graph.file!r}, {len(self.graph.operators)} operators)"


def quantize(spec: TensorSpec, reals: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Real values to a tensor's stored values: quantised, or float32 as they are."""
    if spec.numpy_dtype().kind == "f":
        with np.errstate(over="ignore"):
            return reals.astype(spec.dtype)
    if spec.quantization is None or np.isnan(reals).any():
        raise ArgumentError(f"{spec} cannot hold these values: it has no scale, or they are NaN")
    limits = np.iinfo(spec.dtype)
    steps = reals / spec.scale
    rounded = np.copysign(np.floor(np.abs(steps) + 0.5), steps) + spec.zero_point
    stored: npt.NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(spec.dtype)
    return stored


def dequantize(spec: TensorSpec, stored: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """A quantised tensor's stored values to real values; others are only converted."""
    reals = stored.astype(np.float64)
    if spec.quantization is None:
        return reals
    return (reals - spec.zero_point) * spec.scale


def _pick(specs: tuple[TensorSpec, ...], index: int, what: str) -> TensorSpec:
    if not 0 <= index < len(specs):
        raise ArgumentError(f"{what} {index}: the model has {len(specs)}")
    return specs[index]
