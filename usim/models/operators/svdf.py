"""SVDF: filters with a memory, int8; their state is a variable of int16 or int8."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.errors import ModelError
from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import (
    KernelSequence,
    NewConstant,
    Node,
    Pointer,
    Recipe,
    Step,
    source_pointer,
    target_pointer,
)
from usim.models.operators.layout import GemmWeights, gemm_weights, padded_rows
from usim.models.operators.scaling import multiplier

_MAX_BIAS_SCALE_ERROR = 1e-5
"""TensorFlow Lite Micro's tolerance."""


@dataclass(frozen=True, slots=True)
class SvdfOptions(Options):
    rank: int


class Svdf(Recipe):
    """The fused activation is not looked at, as in TensorFlow Lite Micro: the output's int8 range
    is all that clamps."""

    kind = "SVDF"
    options_type = tflite.BuiltinOptions.SVDFOptions

    def read_options(self, union: Any) -> SvdfOptions:  # noqa: ANN401
        table = tflite.SVDFOptions()
        table.Init(union.Bytes, union.Pos)
        if table.Rank() < 1:
            raise ModelError(f"rank is {table.Rank()}; it must be at least 1")
        return SvdfOptions(table.Rank())

    def lower(self, node: Node) -> KernelSequence:
        node.expect_arity(5, 5)
        options = node.operator.options
        assert isinstance(options, SvdfOptions)
        source = node.expect_activation(node.input(0), rank=2)
        target = node.expect_activation(node.output(), rank=2)
        state = _state(node)
        features = node.weights(1, rank=2, axis=0)
        filters, depth = features.shape
        times = _time_weights(node, state, filters)
        units = _units(node, features, options.rank)
        node.expect_shape(state, (source.shape[0], filters * times.shape[1]))
        bias = _bias(node, units)
        node.expect_fitting_accumulators(features, np.zeros(filters, np.int32), source.zero_point)
        stored = gemm_weights(features)
        pointers = (
            source_pointer(source),
            *_feature_pointers(stored, _offsets(features, source)),
            source_pointer(times, "time_weights"),
            Pointer("bias", "const int32_t", bias),
            target_pointer(state, "state"),
            target_pointer(target),
        )
        step = Step(
            kernel="svdf",
            function="svdf_s16" if state.dtype == "int16" else "svdf_s8",
            shape_type="svdf_shape",
            shape={
                "batches": source.shape[0],
                "depth": depth,
                "units": units,
                "rank": options.rank,
                "memory": times.shape[1],
                "packed": int(stored.packed),
                "state_offset": -state.zero_point,
                "output_offset": target.zero_point,
                **_scaling(node, state, times),
            },
            arguments=tuple(pointer.name for pointer in pointers),
        )
        macs = state.element_count + source.element_count * filters
        return KernelSequence("svdf", (step,), pointers, macs)


def _units(node: Node, features: npt.NDArray[np.int8], rank: int) -> int:
    source, (filters, depth) = node.input(0), features.shape
    units, rest = divmod(len(features), rank)
    if rest or source.shape[1] != depth:
        raise node.error(f"{filters} filters of {depth} do not take {source}")
    node.expect_shape(node.output(), (source.shape[0], units))
    return units


def _bias(node: Node, units: int) -> int | NewConstant:
    if node.optional_input(3) is None:
        raise node.error("the bias is missing; TensorFlow Lite Micro needs one, too")
    return node.bias(3, units)[0]


def _offsets(features: npt.NDArray[np.int8], source: TensorSpec) -> npt.NDArray[np.int32]:
    """What the input's zero point amounts to: the start of the scores' sums."""
    sums: npt.NDArray[np.int64] = features.astype(np.int64).sum(axis=1)
    return (-source.zero_point * sums).astype(np.int32)


def _feature_pointers(
    stored: GemmWeights, offsets: npt.NDArray[np.int32]
) -> tuple[Pointer, Pointer]:
    return (
        Pointer("feature_weights", "const int8_t", NewConstant(stored.data)),
        Pointer("feature_bias", "const int32_t", NewConstant(padded_rows(offsets, 2))),
    )


def _state(node: Node) -> TensorSpec:
    state = node.input(4)
    if state.index == node.input(0).index:
        raise node.error(f"{state} is both the input and the state")
    if not state.variable or state.dtype not in ("int8", "int16"):
        raise node.error(f"the state, {state}, must be an int8 or int16 variable")
    if state.quantization is None or state.quantization.per_channel:
        raise node.error(f"the state, {state}, must be quantised with one scale and zero point")
    if state.dtype == "int16" and state.zero_point != 0:
        raise node.error(f"the state, {state}, has zero point {state.zero_point}; it must be 0")
    return state


def _time_weights(node: Node, state: TensorSpec, filters: int) -> TensorSpec:
    times = node.input(2)
    if times.data is None or times.dtype != state.dtype:
        raise node.error(f"the time weights, {times}, must be a constant of {state.dtype}")
    if len(times.shape) != 2 or times.shape[0] != filters:
        raise node.error(f"the time weights, {times}, must have shape [{filters}, memory]")
    quantization = times.quantization
    if quantization is None or quantization.per_channel or times.zero_point != 0:
        raise node.error(f"the time weights, {times}, must have one scale, and zero point 0")
    return times


def _scaling(node: Node, state: TensorSpec, times: TensorSpec) -> dict[str, int]:
    features, bias = node.input(1), node.input(3)
    assert features.quantization is not None
    if features.quantization.per_channel:
        raise node.error(f"the weights, {features}, must have one scale")
    # TensorFlow Lite Micro multiplies these scales in single precision.
    single = np.float32
    with np.errstate(over="ignore", under="ignore"):
        scored = single(node.input(0).scale) * single(features.scale) / single(state.scale)
        weighed = single(state.scale) * single(times.scale)
        rescaled = weighed / single(node.output().scale)
    bias_scale = bias.scale if bias.quantization is not None else 0.0
    if not abs(bias_scale - float(weighed)) < _MAX_BIAS_SCALE_ERROR:
        raise node.error(f"the scale of {bias} is not that of {state} times {times}")
    if not (math.isfinite(scored) and math.isfinite(rescaled)):
        raise node.error("the scales give a multiplier that is too large")
    score_multiplier, score_shift = multiplier(node, float(scored))
    output_multiplier, output_shift = multiplier(node, float(rescaled))
    return {
        "score_multiplier": score_multiplier,
        "score_shift": score_shift,
        "output_multiplier": output_multiplier,
        "output_shift": output_shift,
    }
