"""Which of a model's constants go to RAM, and which stay where the platform keeps rodata.

The policies, by name:

flash  All constants are in section rodata: flash, on chips that have some. Nothing of the RAM is
       taken, and reads may wait for the flash.
ram    All constants are on the heap, behind the activations; what does not fit is an error.
auto   As many constants as the heap has room for after the activations, those first that each
       inference reads most often: a convolution reads its weights once for each pixel of its
       output, a fully connected layer only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

from usim.errors import ArgumentError
from usim.models import ConstantRef, LoweredModel

Weights = Literal["flash", "ram", "auto"]
WEIGHTS: Final[tuple[Weights, ...]] = get_args(Weights)


def check_weights(policy: str) -> None:
    """ArgumentError for a policy that there is not."""
    if policy not in WEIGHTS:
        raise ArgumentError(f"weights={policy!r}; have {', '.join(WEIGHTS)}")


def placing_order(lowered: LoweredModel, policy: Weights) -> list[int]:
    """Indices of the constants in the order in which they are to be placed.

    For `auto` the one first that is read most often for each of its bytes. Nobody counted the
    reads: a layer's multiplications, each of which reads a weight, stand for them. Of layers
    alike, the first one's come first.
    """
    indices = range(len(lowered.constants))
    if policy != "auto":
        return list(indices)
    reads = _reads(lowered)
    return sorted(indices, key=lambda index: -reads[index])


def _reads(lowered: LoweredModel) -> Sequence[float]:
    """For each constant, how often one inference reads each of its bytes, roughly."""
    reads = [0.0] * len(lowered.constants)
    for call in lowered.calls:
        used = {item.index for item in call.arguments if isinstance(item, ConstantRef)}
        # Multipliers and biases are read once for each value that is put out, as weights are.
        size_bytes = sum(lowered.constants[index].data.nbytes for index in used)
        for index in used:
            reads[index] += call.macs / max(size_bytes, 1)
    return reads
