"""Runs a model on two targets with the same inputs, and finds the first layer where they part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usim.compiled_model import CompiledModel, LayerProfile, ModelProfile
from usim.errors import DisagreementError, UsimError
from usim.models import LayerCall
from usim.tasks import Count


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """The first layer whose outputs differ between two targets.

    `position` is the index into the output (of shape `output_shape`) of the first element that
    differs; `values` are the stored values there, of the first target and of the second.
    """

    layer: int
    kind: str
    output_shape: tuple[int, ...]
    differing_bytes: int
    size_bytes: int
    position: tuple[int, ...]
    values: tuple[int | float, int | float]

    def __str__(self) -> str:
        at = ", ".join(map(str, self.position))
        first, second = self.values
        return (
            f"layer {self.layer} ({self.kind}): {self.differing_bytes:,} of {self.size_bytes:,} "
            f"bytes, first at [{at}]: {first} and {second}"
        )


@dataclass(frozen=True, slots=True)
class InputCheck:
    """What two targets made of one input.

    `counts` are of the whole inference. `difference` is None where the outputs agree; and where
    they differ in a batch but no layer's does when the layers run one at a time.
    """

    agrees: bool
    counts: tuple[Count, Count]
    difference: LayerDifference | None = None

    def __str__(self) -> str:
        if self.agrees:
            return "agree"
        if self.difference is None:
            return "the outputs differ, but no layer's when they run one at a time"
        return str(self.difference)


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """Two targets compared: their names, every input in order, and the first one's layers."""

    targets: tuple[str, str]
    inputs: tuple[InputCheck, ...]
    layers: tuple[tuple[LayerProfile, LayerProfile], ...]

    @property
    def agrees(self) -> bool:
        """Whether all outputs are equal, byte for byte."""
        return all(item.agrees for item in self.inputs)

    @property
    def differing(self) -> tuple[int, ...]:
        """The inputs, as indices, for which the outputs differ."""
        return tuple(index for index, item in enumerate(self.inputs) if not item.agrees)

    def require_agreement(self, names: Sequence[str] = ()) -> None:
        """DisagreementError, with the first difference, unless all outputs agree.

        `names` call the inputs; without, they are numbered from 0.
        """
        if not self.agrees:
            first = self.differing[0]
            name = names[first] if first < len(names) else str(first)
            raise DisagreementError(
                f"{self.targets[0]} and {self.targets[1]} differ in {len(self.differing)} of "
                f"{len(self.inputs)} inputs; input {name}: {self.inputs[first]}",
                check=self,
            )


class CheckedModel:
    """A model on two targets: profile() runs both, and keeps how they compare.

    Both must have been made from the same model. `names` call the targets in messages, for
    instance ("embedded", "qemu").
    """

    def __init__(self, first: CompiledModel, second: CompiledModel, names: tuple[str, str]) -> None:
        self.model = first.model
        self._both = first, second
        self._names = names
        self._inputs: list[InputCheck] = []
        self._layers: tuple[tuple[LayerProfile, LayerProfile], ...] = ()

    @property
    def check(self) -> ModelCheck:
        """What was found so far; `layers` are of the first input."""
        return ModelCheck(self._names, tuple(self._inputs), self._layers)

    def profile(self, *inputs: npt.ArrayLike) -> ModelProfile:
        """Run one inference on both; returns what the first target made of it.

        A target's UsimError is raised with the target's name before its message.
        """
        profiles = []
        for compiled, name in zip(self._both, self._names, strict=True):
            with naming(name):
                profiles.append(compiled.profile(*inputs))
        first, second = profiles
        agrees = all(
            one.tobytes() == other.tobytes()
            for one, other in zip(first.outputs, second.outputs, strict=True)
        )
        difference = None if agrees else self._first_difference(inputs)
        self._inputs.append(InputCheck(agrees, (first.count, second.count), difference))
        self._layers = self._layers or tuple(zip(first.layers, second.layers, strict=True))
        return first

    def _first_difference(self, inputs: tuple[npt.ArrayLike, ...]) -> LayerDifference | None:
        traces = [compiled.trace(*inputs) for compiled in self._both]
        for (layer, one), (_, other) in zip(*traces, strict=True):
            if one.tobytes() != other.tobytes():
                return _difference(layer, one, other)
        return None


def _difference(
    layer: LayerCall, one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]
) -> LayerDifference:
    # As bytes: a NaN equals itself here, and -0.0 is not 0.0.
    raw = [np.frombuffer(array.tobytes(), np.uint8) for array in (one, other)]
    differs = raw[0] != raw[1]
    element = int(differs.argmax()) // one.itemsize
    position = tuple(int(index) for index in np.unravel_index(element, one.shape))
    return LayerDifference(
        layer=layer.index,
        kind=layer.kind,
        output_shape=one.shape,
        differing_bytes=int(differs.sum()),
        size_bytes=one.nbytes,
        position=position,
        values=(one.reshape(-1)[element].item(), other.reshape(-1)[element].item()),
    )


@contextmanager
def naming(target: str) -> Iterator[None]:
    """Put a target's name before the message of its UsimError: which of the two was it?"""
    try:
        yield
    except UsimError as exc:
        raise type(exc)(f"on {target}: {exc}", **vars(exc)) from exc
