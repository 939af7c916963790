"""Puts together what converters take apart: a dilated convolution between two moves of pixels.

SPACE_TO_BATCH_ND makes an image of every block-th pixel, CONV_2D or DEPTHWISE_CONV_2D goes over
these images, and BATCH_TO_SPACE_ND puts the results back: the convolution could as well leave out
pixels. For signals, EXPAND_DIMS and RESHAPE stand around the convolution. Where the batch size was
free, such a file also has wrong extents in between; as one operator, it has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from usim.models.graph import Graph, Operator, TensorSpec
from usim.models.operators.conv_2d import Conv2DOptions
from usim.models.operators.depthwise_conv_2d import DepthwiseConv2DOptions
from usim.models.operators.window import Padding, Steps

_RENAMES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


@dataclass(frozen=True, slots=True)
class _Chain:
    """The operators, in order; `widen` and `narrow` are there for signals only."""

    spread: Operator
    widen: Operator | None
    convolution: Operator
    narrow: Operator | None
    collect: Operator


def join_dilations(graph: Graph) -> Graph:
    """The graph with one operator in place of each such chain. Others are left as they are."""
    tensors, operators = list(graph.tensors), list(graph.operators)
    for chain in _chains(graph):
        steps = _steps(graph.tensors, chain)
        if steps is not None:
            _join(tensors, operators, chain, steps)
    return replace(graph, tensors=tuple(tensors), operators=tuple(operators))


def _chains(graph: Graph) -> Iterator[_Chain]:
    """All chains whose tensors in between nothing else reads."""
    readers = Counter(index for operator in graph.operators for index in operator.inputs)
    readers.update(graph.outputs)
    writers = {index: operator for operator in graph.operators for index in operator.outputs}

    def before(operator: Operator, *kinds: str) -> Operator | None:
        first = operator.inputs[0] if operator.inputs else -1
        writer = writers.get(first)
        if writer is None or writer.kind not in kinds or readers[first] != 1:
            return None
        return writer if len(writer.outputs) == 1 else None

    for collect in graph.operators:
        if collect.kind != "BATCH_TO_SPACE_ND":
            continue
        if len(collect.inputs) != 3 or len(collect.outputs) != 1:
            continue
        narrow = before(collect, *_RENAMES)
        convolution = before(narrow or collect, "CONV_2D", "DEPTHWISE_CONV_2D")
        if convolution is None:
            continue
        widen = before(convolution, *_RENAMES)
        spread = before(widen or convolution, "SPACE_TO_BATCH_ND")
        if spread is not None and (widen is None) == (narrow is None):
            yield _Chain(spread, widen, convolution, narrow, collect)


@dataclass(frozen=True, slots=True)
class _Axis:
    """One axis of a chain: extents before and after, the window's taps, `borders` and `crops` at
    the beginning and the end."""

    extent: int
    output: int
    taps: int
    block: int
    borders: tuple[int, int]
    crops: tuple[int, int]

    def policies(self) -> set[Padding]:
        """The paddings with which a dilated window does the same; none if there is none."""
        span = (self.taps - 1) * self.block
        padding = self.borders[0] - self.crops[0]
        # All taps of each output have to lie inside the borders, as the images end there.
        if self.crops[0] + self.output > self.extent + sum(self.borders) - span:
            return set()
        found = set()
        if self.output == self.extent and padding == span // 2:
            found.add(Padding.SAME)
        if self.output == self.extent - span and padding == 0:
            found.add(Padding.VALID)
        return found


def _steps(tensors: Sequence[TensorSpec], chain: _Chain) -> Steps | None:
    """How the one convolution moves; None if it could not do the same."""
    options = chain.convolution.options
    if not isinstance(options, Conv2DOptions | DepthwiseConv2DOptions):
        return None
    axes = _axes(tensors, chain)
    source, spread = tensors[chain.spread.inputs[0]], tensors[chain.spread.outputs[0]]
    made = tensors[chain.convolution.outputs[0]]
    target = tensors[chain.collect.outputs[0]]
    same_values = all(
        (moved.quantization, moved.dtype) == (given.quantization, given.dtype)
        for moved, given in ((spread, source), (target, made))
    )
    if options.steps != Steps(Padding.VALID, (1, 1)) or not same_values or not axes:
        return None
    policies = set.intersection(*(axis.policies() for axis in axes))
    if not policies:
        return None
    dilation = (axes[0].block, axes[1].block)
    return replace(options.steps, padding=min(policies), dilation=dilation)


def _axes(tensors: Sequence[TensorSpec], chain: _Chain) -> list[_Axis]:
    """Height and width, the former of signals being 1; none if anything is unusual."""
    weights = chain.convolution.inputs[1:2]
    if len(chain.spread.inputs) != 3 or weights in ((), (-1,)):
        return []
    source, target = tensors[chain.spread.inputs[0]], tensors[chain.collect.outputs[0]]
    blocks = _integers(tensors, chain.spread, 1)
    borders, crops = _integers(tensors, chain.spread, 2), _integers(tensors, chain.collect, 2)
    window = tensors[weights[0]].shape[1:3]
    spatial = 1 if chain.widen else 2
    if len(source.shape) != spatial + 2 or len(target.shape) != spatial + 2 or len(window) != 2:
        return []
    usual = len(blocks) == spatial and blocks == _integers(tensors, chain.collect, 1)
    if not usual or len(borders) != 2 * spatial or len(crops) != 2 * spatial:
        return []
    if min(blocks) < 1 or min(*borders, *crops) < 0:
        return []
    padding = [(0, 0)] * (2 - spatial)
    return [
        _Axis(*values)
        for values in zip(
            (1,) * (2 - spatial) + source.shape[1:-1],
            (1,) * (2 - spatial) + target.shape[1:-1],
            window,
            [1] * (2 - spatial) + blocks,
            padding + list(zip(borders[::2], borders[1::2], strict=True)),
            padding + list(zip(crops[::2], crops[1::2], strict=True)),
            strict=True,
        )
    ]


def _integers(tensors: Sequence[TensorSpec], operator: Operator, position: int) -> list[int]:
    """A constant input's values; none for anything else."""
    index = operator.inputs[position]
    data = tensors[index].data if index >= 0 else None
    return [] if data is None else [int(value) for value in data.flat]


def _join(
    tensors: list[TensorSpec], operators: list[Operator], chain: _Chain, steps: Steps
) -> None:
    convolution = chain.convolution
    options = convolution.options
    assert isinstance(options, Conv2DOptions | DepthwiseConv2DOptions)
    source, target = chain.spread.inputs[0], chain.collect.outputs[0]
    first, last = source, target
    if chain.widen is not None and chain.narrow is not None:
        first, last = convolution.inputs[0], convolution.outputs[0]
        for index, outer in ((first, source), (last, target)):
            batches, *rest = tensors[outer].shape
            tensors[index] = replace(tensors[index], shape=(batches, 1, *rest))
        operators[chain.widen.index] = replace(chain.widen, inputs=(source,))
        operators[chain.narrow.index] = replace(chain.narrow, outputs=(target,))
    operators[convolution.index] = replace(
        convolution,
        inputs=(first, *convolution.inputs[1:]),
        outputs=(last,),
        options=replace(options, steps=steps),
    )
    for gone in (chain.spread, chain.collect):
        operators[gone.index] = replace(
            gone, inputs=(), outputs=(), folded=True, done_by=convolution.index
        )
