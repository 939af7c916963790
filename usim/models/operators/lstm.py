"""UNIDIRECTIONAL_SEQUENCE_LSTM: int8 with an int16 cell state; hidden and cell state are variables.

Neither peepholes nor projection nor layer normalisation, as in TensorFlow Lite Micro.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.errors import ModelError
from usim.models.fixed_point import sigmoid_table
from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import (
    Fields,
    KernelSequence,
    NewConstant,
    Node,
    Pointer,
    Recipe,
    Step,
    source_pointer,
    target_pointer,
)
from usim.models.operators.layout import (
    Channels,
    GemmWeights,
    folded_channels,
    four_gate_weights,
    gemm_weights,
)
from usim.models.operators.scaling import multiplier, multipliers

_INPUT_WEIGHTS, _RECURRENT_WEIGHTS, _BIASES = range(1, 5), range(5, 9), range(12, 16)
"""Inputs of the operator; within each, the gates are input, forget, cell and output."""
_HIDDEN, _CELL = 18, 19
_VARIANTS = {
    **dict.fromkeys(range(9, 12), "peepholes"),
    **dict.fromkeys((16, 17), "a projection"),
    **dict.fromkeys(range(20, 24), "layer normalisation"),
}
_INPUTS = 24
_GATES = 4
_SUM_SCALE, _GATE_SCALE = 2.0**-12, 2.0**-15
_CELL_POWERS = range(-29, 3)
"""Of two; the kernel's arithmetic fits 32 bits for these."""


@dataclass(frozen=True, slots=True)
class LstmOptions(Options):
    time_major: bool
    cell_clip: float


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """All gates' weights for one kind of row, and their channels."""

    weights: GemmWeights
    channels: Channels


class UnidirectionalSequenceLstm(Recipe):
    kind = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    options_type = tflite.BuiltinOptions.UnidirectionalSequenceLSTMOptions

    def read_options(self, union: Any) -> LstmOptions:  # noqa: ANN401
        table = tflite.UnidirectionalSequenceLSTMOptions()
        table.Init(union.Bytes, union.Pos)
        activation = table.FusedActivationFunction()
        if activation != tflite.ActivationFunctionType.TANH:
            raise ModelError(f"fused activation {activation} is not supported (have: TANH)")
        return LstmOptions(bool(table.TimeMajor()), float(table.CellClip()))

    def lower(self, node: Node) -> KernelSequence:
        node.expect_arity(_INPUTS, _INPUTS)
        for position, variant in _VARIANTS.items():
            if node.optional_input(position) is not None:
                raise node.error(f"{variant} (input {position}) is not supported")
        source = node.expect_activation(node.input(0), rank=3)
        target = node.expect_activation(node.output(), rank=3)
        hidden, cell = _state(node, _HIDDEN, "int8"), _state(node, _CELL, "int16")
        fields = _extents(node, source, hidden, cell)
        units, depth = fields["units"], fields["depth"]
        node.expect_shape(target, (*source.shape[:2], units))
        biases = np.stack([node.bias(position, units)[1] for position in _BIASES], axis=1)
        inputs = _rows(node, _INPUT_WEIGHTS, source, (units, depth), biases.reshape(-1))
        recurrent = _rows(node, _RECURRENT_WEIGHTS, hidden, (units, units))
        shape: Fields = {
            **fields,
            **_strides(node, source, units),
            "input_packed": int(inputs.weights.packed),
            "input_narrow": int(inputs.channels.narrow),
            "recurrent_packed": int(recurrent.weights.packed),
            "recurrent_narrow": int(recurrent.channels.narrow),
            **_cell_fields(node, hidden, cell),
        }
        pointers = (
            source_pointer(source),
            *_row_pointers("input", inputs),
            *_row_pointers("recurrent", recurrent),
            Pointer("sigmoid", "const uint16_t", NewConstant(sigmoid_table())),
            target_pointer(hidden, "hidden"),
            target_pointer(cell, "cell"),
            target_pointer(target),
        )
        names = tuple(pointer.name for pointer in pointers)
        step = Step("lstm", "lstm_s8", "lstm_shape", shape, names)
        macs = fields["batches"] * fields["steps"] * _GATES * units * (depth + units)
        return KernelSequence("lstm", (step,), pointers, macs)


def _state(node: Node, position: int, dtype: str) -> TensorSpec:
    state = node.input(position)
    if not state.variable or state.dtype != dtype:
        raise node.error(f"the state, {state}, must be an {dtype} variable")
    node.expect_one_scale(state)
    if state.index == node.input(0).index:
        raise node.error(f"{state} is both the input and the state")
    if dtype == "int16" and state.zero_point != 0:
        raise node.error(f"the state, {state}, has zero point {state.zero_point}; it must be 0")
    return state


def _options(node: Node) -> LstmOptions:
    options = node.operator.options
    assert isinstance(options, LstmOptions)
    return options


def _extents(
    node: Node, source: TensorSpec, hidden: TensorSpec, cell: TensorSpec
) -> dict[str, int]:
    batches, steps, depth = source.shape
    if _options(node).time_major:
        batches, steps = steps, batches
    units = hidden.shape[-1] if hidden.shape else 0
    node.expect_shape(hidden, (batches, units))
    if cell.element_count != hidden.element_count:
        raise node.error(f"{cell} should have as many elements as {hidden}")
    return {"batches": batches, "steps": steps, "depth": depth, "units": units}


def _strides(node: Node, source: TensorSpec, units: int) -> dict[str, tuple[int, ...]]:
    """From one batch to the next, and from one step to the next."""
    outer, inner = source.shape[1], 1
    if _options(node).time_major:
        outer, inner = inner, outer
    depth = source.shape[2]
    return {
        "input_strides": (outer * depth, inner * depth),
        "output_strides": (outer * units, inner * units),
    }


def _rows(
    node: Node,
    positions: range,
    source: TensorSpec,
    shape: tuple[int, int],
    bias: npt.NDArray[np.int32] | None = None,
) -> _Rows:
    """The gates' weights for rows of `source`; gates are columns, a unit's four together."""
    gates = [node.weights(position, rank=2, axis=0) for position in positions]
    for position in positions:
        node.expect_shape(node.input(position), shape)
        node.expect_one_scale(node.input(position))
    weights = np.stack(gates, axis=1).reshape(-1, shape[1])
    if bias is None:
        bias = np.zeros(len(weights), np.int32)
    node.expect_fitting_accumulators(weights, bias, source.zero_point)
    reals = [source.scale * node.input(position).scale / _SUM_SCALE for position in positions]
    mantissas, shifts = multipliers(node, reals)
    scaling = np.tile(mantissas, shape[0]), np.tile(shifts, shape[0])
    return _Rows(
        gemm_weights(weights), folded_channels(weights, bias, source.zero_point, scaling, 2)
    )


def _row_pointers(name: str, rows: _Rows) -> tuple[Pointer, Pointer]:
    return (
        Pointer(f"{name}_weights", "const int8_t", NewConstant(four_gate_weights(rows.weights))),
        Pointer(f"{name}_channels", "const int32_t", NewConstant(rows.channels.records)),
    )


def _cell_fields(node: Node, hidden: TensorSpec, cell: TensorSpec) -> Mapping[str, int]:
    mantissa, exponent = math.frexp(cell.scale)
    power = exponent - 1
    if mantissa != 0.5 or power not in _CELL_POWERS:
        raise node.error(
            f"the scale of {cell} is {cell.scale:.3g}; it must be a power of two from "
            f"2^{_CELL_POWERS[0]} to 2^{_CELL_POWERS[-1]}"
        )
    forget = multiplier(node, _GATE_SCALE * cell.scale / cell.scale)
    added = multiplier(node, _GATE_SCALE * _GATE_SCALE / cell.scale)
    output = multiplier(node, _GATE_SCALE * _GATE_SCALE / hidden.scale)
    lowest, highest = _cell_range(_options(node).cell_clip, cell.scale)
    return {
        "cell_left_shift": power + 12,
        "cell_min": lowest,
        "cell_max": highest,
        "forget_multiplier": forget[0],
        "forget_shift": forget[1],
        "input_multiplier": added[0],
        "input_shift": added[1],
        "output_multiplier": output[0],
        "output_shift": output[1],
        "output_offset": hidden.zero_point,
    }


def _cell_range(clip: float, scale: float) -> tuple[int, int]:
    limits = np.iinfo(np.int16)
    if not clip > 0:
        return limits.min, limits.max
    highest = int(min(clip / scale, limits.max))
    return -highest, highest
