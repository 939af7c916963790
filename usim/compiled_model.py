"""A model on a device: compiled, its constants placed, its arena allocated; call it with inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from usim.errors import ArgumentError, MemoryFullError, ModelError
from usim.models import Activation, LayerCall, Model
from usim.resources import data_folder
from usim.tasks import Call, Count
from usim.tensor import Tensor
from usim.weight_placement import Weights, check_weights, placing_order
from usim.working_memory import check_working_memory, working_memory

if TYPE_CHECKING:
    from usim.session import Session


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """One operator's share of an inference."""

    index: int
    kind: str
    output_shape: tuple[int, ...]
    macs: int
    count: Count


@dataclass(frozen=True, slots=True, eq=False)
class ModelProfile:
    """Outputs of one inference, and what each operator cost."""

    outputs: tuple[npt.NDArray[Any], ...]
    layers: tuple[LayerProfile, ...]

    @property
    def count(self) -> Count:
        """The sum over all layers."""
        kind = self.layers[0].count.kind
        return Count(sum(layer.count.value for layer in self.layers), kind)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one inference."""
        return sum(layer.macs for layer in self.layers)


class CompiledModel:
    """Made by Session.load_model. Calling it runs one inference.

    Inputs have the model's shapes (a leading extent of 1 may be left out). An array of the stored
    dtype (int8, say) is taken as it is; a float array is quantised as the input says, or becomes
    float32 for an input of that type. A model with variables, such as SVDF's state, goes on
    from one inference to the next until `reset`. `weights` says where the constants lie; see
    usim.weight_placement.
    """

    def __init__(self, session: Session, model: Model, *, weights: Weights = "flash") -> None:
        check_weights(weights)
        self.model = model
        self.weights = weights
        self._session = session
        lowered = model.lowered
        if not lowered.calls:
            raise ModelError(
                f"{model.graph.file}: the model computes nothing", file=model.graph.file
            )
        free = {name: session.free_bytes(name) for name in ("rodata", "heap")}
        wanted = "heap" if weights == "ram" else "rodata"
        try:
            self._place()
        except MemoryFullError as exc:
            raise self._too_large(exc, free, wanted) from exc
        try:
            self.working_memory = working_memory(lowered, self.module)
            check_working_memory(self.working_memory, session.platform, model.graph.file)
        except ModelError:
            self.unload()
            raise
        self._inputs = [self._activation(item) for item in lowered.inputs]
        self._outputs = [self._activation(item) for item in lowered.outputs]
        self._arguments = [self._operands(call) for call in lowered.calls]
        self._variables = [self._activation(item.place) for item in lowered.variables]
        self.reset()

    def _too_large(self, cause: MemoryFullError, free: dict[str, int], wanted: str) -> ModelError:
        """What is short, by how much; `wanted` is the constants' section, `free` bytes before."""
        lowered, facts = self.model.lowered, vars(cause)
        section = str(facts["section"])
        short = facts["needed_bytes"] - facts["available_bytes"]
        if section == wanted:  # one constant of many was refused
            short = max(short, lowered.constant_bytes - free[wanted])
        file = self.model.graph.file
        return ModelError(
            f"{file} does not fit {self._session.platform.name}, short by {short:,} bytes of "
            f"{section}: {cause}; its constants need {lowered.constant_bytes:,} bytes of {wanted} "
            f"({free[wanted]:,} were free), its activations {lowered.plan.size_bytes:,} of heap "
            f"({free['heap']:,})",
            file=file,
            section=section,
        )

    def _place(self) -> None:
        session, lowered = self._session, self.model.lowered
        self.module = session.load_module(
            lowered.source, name=f"{self.model.name}.c", include=(data_folder("kernels"),)
        )
        placed: list[Tensor] = []
        constants: dict[int, Tensor] = {}
        self._in_ram: set[int] = set()
        try:
            # Before any constants: activations are to have the fastest of the heap.
            self._arena = session.empty(lowered.plan.size_bytes, np.int8)
            placed.append(self._arena)
            for index in placing_order(lowered, self.weights):
                constants[index] = self._place_constant(index)
                placed.append(constants[index])
        except MemoryFullError:
            self.module.unload()
            for tensor in placed:
                tensor.free()
            raise
        self._constants = [constants[index] for index in range(len(constants))]

    def _place_constant(self, index: int) -> Tensor:
        data = self.model.lowered.constants[index].data
        if self.weights != "flash":
            try:
                tensor = self._session.tensor(data, section="heap")
                self._in_ram.add(index)
                return tensor
            except MemoryFullError:
                if self.weights == "ram":
                    raise
        return self._session.tensor(data, section="rodata")

    def _activation(self, item: Activation) -> Tensor:
        return self._session.view(self._arena, item.offset, item.shape, item.dtype)

    def _operands(self, call: LayerCall) -> list[Tensor]:
        return [
            self._activation(item) if isinstance(item, Activation) else self._constants[item.index]
            for item in call.arguments
        ]

    def reset(self) -> None:
        """Give the variables, which outlive an inference, their first values again."""
        for tensor, variable in zip(self._variables, self.model.lowered.variables, strict=True):
            tensor.write(np.full(tensor.shape, variable.initial, tensor.dtype))

    @property
    def text_bytes(self) -> int:
        """Machine code of the model's kernels."""
        return self.module.size_bytes("text")

    @property
    def rodata_bytes(self) -> int:
        """Constants that are not in RAM: weights, biases, multipliers, and the kernels' tables."""
        constants = self.model.lowered.constant_bytes - self.ram_constant_bytes
        return constants + self.module.size_bytes("rodata")

    @property
    def ram_constant_bytes(self) -> int:
        """Constants on the heap, by the policy `weights`."""
        constants = self.model.lowered.constants
        return sum(constants[index].data.nbytes for index in self._in_ram)

    @property
    def arena_bytes(self) -> int:
        """Memory for activations, as planned."""
        return self.model.lowered.plan.size_bytes

    def __call__(self, *inputs: npt.ArrayLike) -> npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]:
        """Run one inference; returns the output in its stored dtype, a tuple if there are several.

        ArgumentError if an input does not fit; TaskError if the device fails.
        """
        outputs = self.profile(*inputs).outputs
        return outputs[0] if len(outputs) == 1 else outputs

    def profile(self, *inputs: npt.ArrayLike) -> ModelProfile:
        """Run one inference; returns outputs and each operator's count."""
        calls = self.queue(*inputs)
        outputs = tuple(tensor.numpy() for tensor in self._outputs)
        return ModelProfile(outputs, tuple(self._layers(calls)))

    def queue(self, *inputs: npt.ArrayLike) -> list[Call]:
        """Write the inputs and queue one inference, a call a layer; nothing runs yet."""
        self._write_inputs(inputs)
        return [
            self.module[call.function](*operands)
            for call, operands in zip(self.model.lowered.calls, self._arguments, strict=True)
        ]

    @property
    def input_tensors(self) -> tuple[Tensor, ...]:
        """The inputs' memory on the device, in the model's order."""
        return tuple(self._inputs)

    @property
    def output_tensors(self) -> tuple[Tensor, ...]:
        """The outputs' memory on the device, in the model's order."""
        return tuple(self._outputs)

    def trace(self, *inputs: npt.ArrayLike) -> Iterator[tuple[LayerCall, npt.NDArray[Any]]]:
        """Run one inference a layer at a time; yields each layer and what it put out (a layer with
        several outputs several times).

        Slower than a batch, but later layers reuse the arena, so that what a layer put out can be
        read after it only. Another inference may not begin before this one is exhausted or dropped.
        """
        self._write_inputs(inputs)
        for layer, operands in zip(self.model.lowered.calls, self._arguments, strict=True):
            self.module[layer.function](*operands)
            for output in operands[-layer.output_count :]:
                yield layer, output.numpy()

    def _write_inputs(self, inputs: tuple[npt.ArrayLike, ...]) -> None:
        if len(inputs) != len(self._inputs):
            raise ArgumentError(
                f"{self.model.name} takes {len(self._inputs)} inputs, got {len(inputs)}"
            )
        stored = [self.model.stored_input(value, index) for index, value in enumerate(inputs)]
        for tensor, values in zip(self._inputs, stored, strict=True):
            tensor.write(values)

    def _layers(self, calls: list[Call]) -> list[LayerProfile]:
        return [
            LayerProfile(layer.index, layer.kind, layer.output_shape, layer.macs, call.count)
            for layer, call in zip(self.model.lowered.calls, calls, strict=True)
        ]

    def unload(self) -> None:
        """Free code, constants and arena."""
        self.module.unload()
        for tensor in (*self._constants, self._arena):
            tensor.free()
