"""CONV_2D: 2-D convolution, int8, one weight scale per output channel or per tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.models.graph import Options
from usim.models.operators.base import (
    KernelCall,
    NewConstant,
    Node,
    Pointer,
    Recipe,
    read_activation,
)
from usim.models.operators.layout import (
    SCRATCH_BYTES,
    WORD_BYTES,
    Channels,
    GemmWeights,
    folded_channels,
    gemm_weights,
    round_up,
    several_gemm_weights,
    weighted_pointers,
)
from usim.models.operators.scaling import (
    Multipliers,
    channel_scales,
    multipliers,
    output_range,
    plain_pointers,
)
from usim.models.operators.window import Steps, read_steps, slide, window_fields
from usim.models.quantization import FusedActivation

_MAX_PATCHES = 32
"""More would not save much: the weights are read once for each lot of them."""
_MAX_GROUPS = 4096
"""Each has a matrix of its own, packed one by one."""


@dataclass(frozen=True, slots=True)
class Conv2DOptions(Options):
    steps: Steps
    activation: FusedActivation


class Conv2D(Recipe):
    kind = "CONV_2D"
    options_type = tflite.BuiltinOptions.Conv2DOptions

    def read_options(self, union: Any) -> Conv2DOptions:  # noqa: ANN401
        table = tflite.Conv2DOptions()
        table.Init(union.Bytes, union.Pos)
        return Conv2DOptions(
            read_steps(table, dilated=True), read_activation(table.FusedActivationFunction())
        )

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(2, 3)
        options = node.operator.options
        assert isinstance(options, Conv2DOptions)
        source = node.expect_activation(node.input(0), rank=4)
        target = node.expect_activation(node.output(), rank=4)
        weights = node.weights(1, rank=4, axis=0)
        batches, height, width, depth = source.shape
        channels, _, _, filter_depth = weights.shape
        groups, rest = divmod(depth, filter_depth)
        if rest or channels % groups:
            raise node.error(
                f"the weights take {filter_depth} channels to {channels}: there are no groups of "
                f"the {depth} channels of {source} that fit"
            )
        window = (weights.shape[1], weights.shape[2])
        axes = slide(node, (height, width), window, options.steps)
        node.expect_shape(target, (batches, axes[0].output, axes[1].output, channels))
        bias, bias_values = node.bias(2, channels)
        filters = weights.reshape(channels, -1)
        node.expect_fitting_accumulators(filters, bias_values, source.zero_point)
        plan = Convolution(
            node=node,
            steps=options.steps,
            filters=filters,
            output={
                "output_offset": target.zero_point,
                **output_range(node, target, options.activation),
            },
            scaling=multipliers(node, channel_scales(node, channels)),
            groups=groups,
            geometry={
                "batches": batches,
                "input_channels": filter_depth,
                "output_channels": channels // groups,
                **window_fields((height, width), window, options.steps, axes),
                "dilation_height": options.steps.dilation[0],
                "dilation_width": options.steps.dilation[1],
            },
        )
        return plan.fast_call(bias_values) or plan.plain_call(bias)


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """A convolution that was checked, and the kernels that can run it.

    `filters`: [output channels, taps]; `output`, `geometry`: fields of the kernels' shapes, the
    latter's of one group of channels. Only `plain_call` wants the node's own weights to be those of
    CONV_2D.
    """

    node: Node
    steps: Steps
    filters: npt.NDArray[np.int8]
    output: Mapping[str, int]
    scaling: Multipliers
    geometry: Mapping[str, int]
    groups: int = 1

    @property
    def depth(self) -> int:
        return int(self.filters.shape[1])

    @property
    def pixels(self) -> int:
        return math.prod(self.node.output().shape[:3])

    @property
    def pointwise(self) -> bool:
        """Whether the input's pixels are the rows of a matrix that can be read in words."""
        single = self.depth == self.geometry["input_channels"] and self.steps.stride == (1, 1)
        return single and self.groups == 1 and (self.depth % WORD_BYTES == 0 or self.pixels == 1)

    @property
    def patch_count(self) -> int:
        """How many windows conv_2d_blocked gathers at a time; 0 if not even one fits."""
        fitting = min(SCRATCH_BYTES // round_up(self.depth, WORD_BYTES), self.pixels, _MAX_PATCHES)
        # Windows are multiplied two at a time.
        return fitting if fitting in (1, self.pixels) else fitting - fitting % 2

    def fast_call(self, bias: npt.NDArray[np.int32]) -> KernelCall | None:
        """A kernel that multiplies matrices; None if windows do not fit the scratch memory."""
        if self.pointwise:
            return self.pointwise_call(bias)
        if not self.patch_count or self.groups > _MAX_GROUPS:
            return None
        return self.blocked_call(bias) if self.groups == 1 else self.grouped_call(bias)

    def pointwise_call(self, bias: npt.NDArray[np.int32]) -> KernelCall:
        records = self._channels(bias)
        stored = gemm_weights(self.filters)
        shape = {
            "pixels": self.pixels,
            "input_channels": self.depth,
            "output_channels": len(self.filters),
            "packed": int(stored.packed),
            "narrow": int(records.narrow),
            **self.output,
        }
        pointers = weighted_pointers(self.node, stored.data, records)
        return self._call("conv_2d_pointwise", shape, pointers)

    def blocked_call(self, bias: npt.NDArray[np.int32]) -> KernelCall:
        records = self._channels(bias)
        stored = gemm_weights(self.filters)
        pointers = weighted_pointers(self.node, stored.data, records)
        shape = self._blocked_shape(stored, records)
        return self._call("conv_2d_blocked", shape, pointers, self._patch_bytes)

    def grouped_call(self, bias: npt.NDArray[np.int32]) -> KernelCall:
        """Each group's filters are a matrix of their own."""
        every = self._channels(bias, multiple=1)
        rows = every.records.reshape(self.groups, -1, every.records.shape[1])
        rows = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2), (0, 0)), mode="edge")
        records = Channels(rows, every.narrow)
        stored = several_gemm_weights(np.split(self.filters, self.groups))
        conv = self._blocked_shape(stored, records)
        shape = {f"conv.{name}": value for name, value in conv.items()}
        shape["groups"] = self.groups
        pointers = weighted_pointers(self.node, stored.data, records)
        return self._call("conv_2d_grouped", shape, pointers, self._patch_bytes)

    def _blocked_shape(self, stored: GemmWeights, records: Channels) -> Mapping[str, int]:
        return {
            **self.geometry,
            "input_stride": self.groups * self.geometry["input_channels"],
            "output_stride": self.groups * self.geometry["output_channels"],
            "zero_point": self.node.input(0).zero_point,
            "patch_count": self.patch_count,
            "packed": int(stored.packed),
            "narrow": int(records.narrow),
            **self.output,
        }

    @property
    def _patch_bytes(self) -> int:
        return self.patch_count * round_up(self.depth, WORD_BYTES)

    def plain_call(self, bias: int | NewConstant) -> KernelCall:
        input_offset = {"input_offset": -self.node.input(0).zero_point}
        shape = {"groups": self.groups, **self.geometry, **input_offset, **self.output}
        return self._call("conv_2d", shape, plain_pointers(self.node, bias, self.scaling))

    def _channels(self, bias: npt.NDArray[np.int32], multiple: int = 2) -> Channels:
        zero_point = self.node.input(0).zero_point
        return folded_channels(self.filters, bias, zero_point, self.scaling, multiple)

    def _call(
        self,
        kernel: str,
        shape: Mapping[str, int],
        pointers: tuple[Pointer, ...],
        scratch_bytes: int = 0,
    ) -> KernelCall:
        macs = self.node.output().element_count * self.depth
        return KernelCall(kernel, f"{kernel}_shape", shape, pointers, macs, scratch_bytes)
