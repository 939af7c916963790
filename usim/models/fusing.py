"""Sums that are computed where a convolution ends: no buffer for its result, nor for the sum.

ADD of a convolution's result and a tensor that nothing reads later is one kernel with it, and the
sum takes that tensor's bytes. So a residual block needs two buffers instead of three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from usim.models.graph import Graph, Operator
from usim.models.operators.base import Alias, Fields, KernelCall, KernelSequence, Lowering, Pointer
from usim.models.operators.layout import SCRATCH_BYTES

_CONVOLUTION, _SUM, _FUSED = "conv_2d_blocked", "add", "conv_2d_sum"


@dataclass(frozen=True, slots=True, eq=False)
class Fusion:
    """`graph` is for planning: what was fused has its tensors at the convolution.

    `sums` maps an ADD's index to that of the convolution which does its work.
    """

    graph: Graph
    lowerings: tuple[tuple[int, Lowering], ...]
    sums: Mapping[int, int]


def fuse_sums(graph: Graph, lowerings: Sequence[tuple[int, Lowering]]) -> Fusion:
    """Fuse every ADD that can be."""
    uses = _Uses(graph, dict(lowerings))
    sums: dict[int, int] = {}
    for index, lowering in lowerings:
        if isinstance(lowering, KernelCall) and lowering.kernel == _SUM:
            for operand in lowering.pointers[:2]:
                if index not in sums and (found := uses.fuse(index, operand)) is not None:
                    sums[index] = found
    return Fusion(replace(graph, operators=tuple(uses.operators)), tuple(uses.lowerings()), sums)


class _Uses:
    """Who makes and who reads each tensor, and the operators as they are fused so far."""

    def __init__(self, graph: Graph, lowerings: dict[int, Lowering]) -> None:
        self.operators = list(graph.operators)
        self._graph = graph
        self._lowerings = lowerings
        self._makers = {
            out: item.index for item in self.operators if not item.folded for out in item.outputs
        }
        self._readers: dict[int, list[int]] = {}
        for item in self.operators:
            for tensor in item.inputs:
                self._readers.setdefault(tensor, []).append(item.index)

    def lowerings(self) -> list[tuple[int, Lowering]]:
        return list(self._lowerings.items())

    def fuse(self, index: int, operand: Pointer) -> int | None:
        """Move the ADD at `index` into the convolution that makes `operand`: its index, or None."""
        call = self._lowerings[index]
        assert isinstance(call, KernelCall)
        left, right, output = (pointer.target for pointer in call.pointers)
        assert isinstance(left, int)
        assert isinstance(right, int)
        assert isinstance(output, int)
        made = left if operand.name == "left" else right
        addend = right if operand.name == "left" else left
        maker = self._makers.get(made)
        convolution = self._lowerings[maker] if maker is not None else None
        if maker is None or not isinstance(convolution, KernelCall):
            return None
        if convolution.kernel != _CONVOLUTION or not self._may_go(index, maker, made, addend):
            return None
        fused = _fused(convolution, call, swapped=operand.name == "right")
        if fused is None:
            return None
        self._lowerings[maker] = fused
        self._lowerings[index] = Alias(addend, output)
        before, after = self.operators[maker], self.operators[index]
        kind = f"{before.kind}+{after.kind}"
        inputs = (*before.inputs, addend)
        self.operators[maker] = Operator(maker, kind, inputs, (output,), before.options)
        self.operators[index] = replace(after, inputs=(), outputs=())
        return maker

    def _may_go(self, index: int, maker: int, made: int, addend: int) -> bool:
        """Whether the sum can be had in the addend's place as early as in operator `maker`."""
        tensors, source = self._graph.tensors, self._makers.get(addend)
        readers = self._readers[addend]
        return (
            source is not None
            and source < maker
            and self._readers[made] == [index]
            and not {made, addend} & set(self._graph.outputs)
            and tensors[made].shape == tensors[addend].shape
            and not tensors[addend].variable
            # Nothing reads it later, nor while the convolution writes to it.
            and all(reader < maker or reader == index for reader in readers)
            # None of its bytes are those of another tensor.
            and all(self._copies(item) for item in (source, *readers))
        )

    def _copies(self, index: int) -> bool:
        lowering = self._lowerings[index]
        in_place = index in (item.index for item in self.operators if not item.outputs)
        return in_place or (
            not isinstance(lowering, Alias)
            and not (isinstance(lowering, KernelSequence) and lowering.views)
        )


def _fused(convolution: KernelCall, call: KernelCall, *, swapped: bool) -> KernelSequence | None:
    """One call of both; None if the scratch memory has no room for the result beside windows."""
    conv, addition = dict(convolution.shape), _swapped(call.shape) if swapped else call.shape
    patches, channels = conv["patch_count"], conv["output_channels"]
    assert isinstance(patches, int)
    assert isinstance(channels, int)
    patch_bytes = convolution.scratch_bytes // patches + 2 * channels
    fitting = min(patches, SCRATCH_BYTES // patch_bytes)
    fitting -= fitting % 2 if fitting > 1 else 0
    if not fitting:
        return None
    conv["patch_count"] = fitting
    shape: Fields = {
        **{f"conv.{name}": value for name, value in conv.items()},
        **{f"sum.{name}": value for name, value in addition.items()},
    }
    *before, _ = convolution.pointers
    addend = call.pointers[0 if swapped else 1]
    pointers = (*before, Pointer("addend", addend.c_type, addend.target), call.pointers[2])
    whole = KernelCall(
        _FUSED, f"{_FUSED}_shape", shape, pointers, convolution.macs, fitting * patch_bytes
    )
    return whole.sequence()


def _swapped(shape: Fields) -> Fields:
    """A sum's fields with its operands exchanged."""
    names = {"left": "right", "right": "left"}
    parts = {name: name.partition("_") for name in shape}
    return {
        f"{names[first]}_{rest}" if first in names else name: shape[name]
        for name, (first, _, rest) in parts.items()
    }
