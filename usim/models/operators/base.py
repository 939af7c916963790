"""What every operator's recipe has in common: the view it gets of its node, and what it gives back.

An operator is added by one module beside this one, a line in the table of `__init__.py`, and one
folder in kernels/.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from usim.errors import ModelError
from usim.models.graph import Graph, Operator, Options, TensorSpec
from usim.models.quantization import FusedActivation, accumulators_fit

_MAX_CHANNELS = 1 << 16
"""Each takes a record on the device and a few Python numbers on the host."""


@dataclass(frozen=True, slots=True, eq=False)
class NewConstant:
    """An array that the operator computes, such as its multipliers."""

    data: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Pointer:
    """One pointer parameter of a kernel: its name, C type, and the tensor or array it points to."""

    name: str
    c_type: str
    target: int | NewConstant


_C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "bool": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "float32": "float",
    "int64": "int64_t",
}


TYPE_SUFFIXES = {"int8": "s8", "uint8": "u8", "int16": "s16", "float32": "f32"}
"""What kernels' names end in, by the type of their activations."""


def source_pointer(tensor: TensorSpec, name: str = "input") -> Pointer:
    """The parameter for a tensor that a kernel reads."""
    return Pointer(name, f"const {_C_TYPES[tensor.dtype]}", tensor.index)


def target_pointer(tensor: TensorSpec, name: str = "output") -> Pointer:
    """The parameter for a tensor that it writes."""
    return Pointer(name, _C_TYPES[tensor.dtype], tensor.index)


Fields = Mapping[str, int | float | tuple[int, ...]]
"""What fills a kernel's shape structure: int32_t and float fields, and arrays of int32_t."""


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a kernel: `<function>(&shape, arguments...)` from `<kernel>/<kernel>.h`.

    `arguments` are names of the pointers of the KernelSequence that it is part of.
    """

    kernel: str
    function: str
    shape_type: str
    shape: Fields
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alias:
    """No code: tensor `target` is the bytes of tensor `source` from `offset_bytes` on."""

    source: int
    target: int
    offset_bytes: int = 0


@dataclass(frozen=True, slots=True)
class KernelSequence:
    """An operator that takes several steps, one after the other, in one C function.

    Of its `pointers`, the last `outputs` are the operator's outputs, in order. `name` names the
    function. Beside the pointers, steps may name `scratch`: `scratch_bytes` of memory, aligned to 8
    bytes. All of it may be left out where `views`, if there are any, can be had instead: then
    inputs and outputs are the same bytes.
    """

    name: str
    steps: tuple[Step, ...]
    pointers: tuple[Pointer, ...]
    macs: int = 0
    outputs: int = 1
    views: tuple[Alias, ...] = ()
    scratch_bytes: int = 0


@dataclass(frozen=True, slots=True)
class KernelCall:
    """One call of a kernel: `<kernel>_<types>(&shape, pointers...)` from `<kernel>/<kernel>.h`.

    `shape` fills the C structure `shape_type`; it, the pointers' types and `scratch_bytes` are all
    that the generated code depends on. Its keys are C designators without their first dot: `size`,
    and `operands.rows` or `axes.extent[0]` in members that are structures or arrays. A kernel that
    needs scratch memory gets it, aligned to 8 bytes, as its last argument. `types` are those of the
    activations: s8, s16, f32, or source and target as in s16_s8.
    """

    kernel: str
    shape_type: str
    shape: Fields
    pointers: tuple[Pointer, ...]
    macs: int
    scratch_bytes: int = 0
    types: str = "s8"

    def sequence(self) -> KernelSequence:
        """The same as a sequence of one step."""
        names = tuple(pointer.name for pointer in self.pointers)
        step = Step(
            kernel=self.kernel,
            function=f"{self.kernel}_{self.types}",
            shape_type=self.shape_type,
            shape=self.shape,
            arguments=(*names, "scratch") if self.scratch_bytes else names,
        )
        return KernelSequence(
            self.kernel, (step,), self.pointers, self.macs, scratch_bytes=self.scratch_bytes
        )


Lowering = KernelCall | KernelSequence | Alias


class Node:
    """One operator with its tensors, and the checks that recipes share (ModelError with names)."""

    def __init__(
        self, graph: Graph, operator: Operator, tensors: Sequence[TensorSpec] | None = None
    ) -> None:
        """`tensors` replace the graph's where more of them are known to be constants."""
        self.operator = operator
        self._file = graph.file
        self._tensors = graph.tensors if tensors is None else tensors

    def error(self, message: str) -> ModelError:
        return ModelError(
            f"{self._file}: operator {self.operator.index} ({self.operator.kind}): {message}",
            file=self._file,
            operator=self.operator.index,
        )

    def expect_arity(self, lowest: int, highest: int, outputs: int = 1) -> None:
        """Check the number of inputs, and that there are `outputs` outputs."""
        count = len(self.operator.inputs)
        if not lowest <= count <= highest or len(self.operator.outputs) != outputs:
            wanted = str(lowest) if lowest == highest else f"{lowest} to {highest}"
            raise self.error(
                f"{count} inputs and {len(self.operator.outputs)} outputs; "
                f"it takes {wanted} inputs and {outputs} output{'s' * (outputs != 1)}"
            )

    def input(self, position: int) -> TensorSpec:
        inputs = self.operator.inputs
        index = inputs[position] if position < len(inputs) else -1
        if index < 0:
            raise self.error(f"input {position} is missing")
        return self._tensors[index]

    def optional_input(self, position: int) -> TensorSpec | None:
        inputs = self.operator.inputs
        if position >= len(inputs) or inputs[position] < 0:
            return None
        return self._tensors[inputs[position]]

    def output(self, position: int = 0) -> TensorSpec:
        return self._tensors[self.operator.outputs[position]]

    def constant_integers(self, position: int, count: int) -> tuple[int, ...]:
        """The values of an int32 constant of `count` elements, such as an axis or a size."""
        tensor = self.input(position)
        if tensor.data is None or tensor.dtype != "int32":
            raise self.error(f"input {position}, {tensor}, must be an int32 constant")
        if tensor.element_count != count:
            raise self.error(f"input {position}, {tensor}, should have {count} elements")
        return tuple(int(value) for value in tensor.data.reshape(-1))

    def expect_same_type(self, first: TensorSpec, second: TensorSpec) -> None:
        if first.dtype != second.dtype:
            raise self.error(f"{first} and {second} differ in type")

    def expect_activation(self, tensor: TensorSpec, rank: int | None = None) -> TensorSpec:
        """Check for int8 with one scale, and for `rank` dimensions."""
        if tensor.dtype != "int8":
            raise self.error(f"{tensor} is not int8; convert the model with full int8 quantization")
        self.expect_one_scale(tensor)
        if rank is not None and len(tensor.shape) != rank:
            raise self.error(f"{tensor} must have {rank} dimensions")
        return tensor

    def expect_type(self, tensor: TensorSpec, types: Collection[str]) -> TensorSpec:
        """Check for one of several types, and for one scale if it is a quantised one."""
        if tensor.dtype not in types:
            raise self.error(f"{tensor} is of a type that is not supported ({', '.join(types)})")
        if tensor.dtype != "float32":
            self.expect_one_scale(tensor)
        return tensor

    def expect_one_scale(self, tensor: TensorSpec) -> None:
        if tensor.quantization is None or tensor.quantization.per_channel:
            raise self.error(f"{tensor} must be quantised with one scale and zero point")

    def expect_shape(self, tensor: TensorSpec, shape: tuple[int, ...]) -> None:
        if tensor.shape != shape:
            raise self.error(f"{tensor} should have shape {list(shape)}")

    def expect_same_quantization(self, first: TensorSpec, second: TensorSpec) -> None:
        # The tolerance is TensorFlow Lite's.
        if abs(first.scale - second.scale) > 1e-6 or first.zero_point != second.zero_point:
            raise self.error(f"{first} and {second} must share scale and zero point")

    def weights(self, position: int, rank: int, axis: int) -> npt.NDArray[np.int8]:
        """Constant int8 weights, symmetric, with one scale or one per index along `axis`."""
        tensor = self.input(position)
        if tensor.data is None or tensor.dtype != "int8":
            raise self.error(f"the weights, {tensor}, must be an int8 constant")
        if len(tensor.shape) != rank:
            raise self.error(f"the weights, {tensor}, must have {rank} dimensions")
        if tensor.shape[axis] > _MAX_CHANNELS:
            raise self.error(
                f"the weights, {tensor}, have {tensor.shape[axis]} channels; at most "
                f"{_MAX_CHANNELS} are supported"
            )
        quantization = tensor.quantization
        if quantization is None or any(quantization.zero_points):
            raise self.error(f"the weights, {tensor}, must be quantised with zero point 0")
        if quantization.per_channel and quantization.axis != axis:
            raise self.error(
                f"the weights, {tensor}, must have their scales along dimension {axis}"
            )
        return tensor.data

    def bias(
        self, position: int, channels: int, dtype: str = "int32"
    ) -> tuple[int | NewConstant, npt.NDArray[Any]]:
        """The bias as a kernel's argument and its values; a missing one is all zeros."""
        tensor = self.optional_input(position)
        if tensor is None:
            zeros = np.zeros(channels, dtype=dtype)
            return NewConstant(zeros), zeros
        if tensor.data is None or tensor.dtype != dtype:
            raise self.error(f"the bias, {tensor}, must be an {dtype} constant")
        self.expect_shape(tensor, (channels,))
        return tensor.index, tensor.data

    def expect_fitting_accumulators(
        self, weights: npt.NDArray[np.int8], bias: npt.NDArray[np.int32], zero_point: int
    ) -> None:
        """Check [channels, taps] weights: a kernel's sums must not overflow for any input."""
        if not accumulators_fit(weights, bias, zero_point):
            raise self.error("weights and bias are so large that 32-bit sums overflow")


class NoOptions(Options):
    """Of an operator whose inputs and outputs say all."""

    __slots__ = ()


class Recipe(ABC):
    """How one operator is read and lowered.

    1. `read_options` takes the operator's options out of the file, while it is read.
    2. `lower` checks shapes, types and quantisation, and says what the kernel needs.

    Both raise ModelError; `read_options` without naming file and operator, which the reader adds.
    """

    kind: ClassVar[str]
    options_type: ClassVar[int | None]
    """The tag of the options in TFLite's `BuiltinOptions` union; None if none are needed."""

    @abstractmethod
    def read_options(self, union: Any) -> Options:  # noqa: ANN401
        """Decode the options from the flatbuffer's untyped table (None only without a tag)."""

    @abstractmethod
    def lower(self, node: Node) -> Lowering:
        """Turn one operator into a call of its kernel, a sequence of such calls, or an alias."""

    def fold(self, node: Node) -> npt.NDArray[Any] | None:
        """The output's value where all inputs are constants; None if that is not provided for.

        Like `lower` it raises ModelError; numpy's ValueError means the same.
        """
        return None


def read_activation(number: int) -> FusedActivation:
    """A fused activation from its number in the file."""
    try:
        return FusedActivation(number)
    except ValueError as exc:
        known = ", ".join(activation.name for activation in FusedActivation)
        raise ModelError(f"fused activation {number} is not supported (have: {known})") from exc
