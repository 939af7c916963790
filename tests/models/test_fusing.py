"""Sums that a convolution computes in another tensor's bytes: the same answers, and when it must
not be done."""

from __future__ import annotations

import numpy as np
import pytest
from host_model import HostModel, build_library
from operator_cases import Rng, output_scale, scale, weights, zero_point
from test_operators import noise
from tflite_builder import Op, Tensor, build_model
from tflm_reference import Reference

import usim
from usim.models import Model, lower, read_graph

ADD, CONV, FUSED = "ADD", "CONV_2D", "CONV_2D+ADD"
OPTIONS = {"Padding": 0, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1,
           "FusedActivationFunction": 0}  # fmt: skip


def activated(rng: Rng) -> dict[str, int]:
    return {"FusedActivationFunction": int(rng.integers(0, 2))}


def residual(rng: Rng, *, swapped: bool = False, **changes: object) -> bytes:
    """x -> conv -> a -> conv -> m -> conv -> b; a + b (or b + a) -> c -> conv -> d.

    `changes`: "late" reads a once more, behind the sum; "shown" makes a an output; "twice" reads b
    once more; "viewed" gives a another shape besides; "direct" makes b from a.
    """
    height, width, depth = (int(rng.integers(3, 9)) for _ in range(3))
    shape, window = [1, height, width, depth], (depth, 3, 3, depth)
    out = output_scale(rng, 9 * depth, scale(rng) * 0.02)
    tensors = [Tensor(shape, 0.05, zero_point(rng))]
    tensors += [Tensor(shape, out * factor, zero_point(rng)) for factor in (1, 1.1, 1.3, 1.9, 1.4)]
    tensors += [Tensor(window, 0.02, 0, data=weights(rng, window)) for _ in range(4)]
    operators = [
        Op(CONV, [0, 6, -1], [1], OPTIONS),
        Op(CONV, [1, 7, -1], [2], OPTIONS),
        Op(CONV, [1 if changes.get("direct") else 2, 8, -1], [3], OPTIONS),
        Op(ADD, [3, 1] if swapped else [1, 3], [4], activated(rng)),
        Op(CONV, [4, 9, -1], [5], OPTIONS),
    ]
    outputs = [5, 1] if changes.get("shown") else [5]
    if changes.get("viewed"):
        flat = [1, height * width, depth]
        tensors += [Tensor(flat, tensors[1].scale, tensors[1].zero_point)] * 2
        operators.insert(1, Op("RESHAPE", [1], [10]))
        operators.append(Op(ADD, [10, 10], [11], activated(rng)))
        outputs.append(11)
    if changes.get("late") or changes.get("twice"):
        tensors.append(Tensor(shape, 3 * out, 0))
        operators.append(Op(ADD, [1 if changes.get("late") else 3, 5], [10], activated(rng)))
        outputs = [10]
    return build_model(tensors, operators, [0], outputs)


def kinds(model: bytes) -> list[str]:
    return [call.kind for call in lower(read_graph(model)).calls]


def block(rng: Rng) -> bytes:
    """A residual block as ResNet has them, the shortcut a strided convolution of its own."""
    depth, channels = int(rng.integers(1, 7)), int(rng.integers(1, 10))
    shapes = [[1, 7, 6, depth], [1, 4, 3, channels]]
    windows = [(channels, 3, 3, depth), (channels, 1, 1, depth)]
    scales = [output_scale(rng, 9 * depth, 0.001) for _ in range(3)]
    tensors = [Tensor(shapes[0], 0.05, zero_point(rng))]
    tensors += [Tensor(shapes[1], item, zero_point(rng)) for item in scales]
    tensors += [Tensor(shape, 0.02, 0, data=weights(rng, shape)) for shape in windows]
    options = OPTIONS | {"StrideH": 2, "StrideW": 2}
    operators = [
        Op(CONV, [0, 4, -1], [1], options),
        Op(CONV, [0, 5, -1], [2], options),
        Op(ADD, [1, 2], [3], activated(rng)),
    ]
    return build_model(tensors, operators, [0], [3])


@pytest.mark.parametrize("seed", range(8))
def test_fused_sum_equals_tflite_micro_on_host_and_chip(seed, tmp_path):
    rng = np.random.default_rng(seed)
    model = block(rng) if seed % 3 == 2 else residual(rng, swapped=bool(seed % 2))
    assert FUSED in kinds(model)
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, tmp_path))
    reference = Reference(model, len(lowered.outputs))
    with usim.Session("stm32f746", timing="count") as session:
        chip = session.load_model(Model(read_graph(model)))
        for _ in range(2):
            data = [noise(rng, slot) for slot in lowered.inputs]
            host.run(*data)
            (expected,) = reference.run(*data)
            np.testing.assert_array_equal(host.result()[0], expected)
            np.testing.assert_array_equal(chip(*data), expected)


@pytest.mark.parametrize("change", ["late", "shown", "twice", "viewed", "direct"])
def test_a_sum_stays_on_its_own_where_its_operands_are_needed(change, tmp_path):
    model = residual(np.random.default_rng(5), **{change: True})
    lowered = lower(read_graph(model))
    assert 3 not in lowered.sums
    assert "ADD" in kinds(model)
    host = HostModel(lowered, build_library(lowered.source, tmp_path))
    data = [noise(np.random.default_rng(1), slot) for slot in lowered.inputs]
    host.run(*data)
    expected = Reference(model, len(lowered.outputs)).run(*data)
    for result, wanted in zip(host.result(), expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_a_residual_block_needs_two_buffers_not_three():
    model = residual(np.random.default_rng(4))
    lowered = lower(read_graph(model))
    (size,) = {slot.size_bytes for slot in lowered.inputs}
    assert lowered.plan.size_bytes <= 2 * (size + 15 & ~15)
    assert lowered.sums == {3: 2}


def test_resnet_needs_a_third_less_memory(shared_data):
    plan = Model.load(shared_data / "models" / "pretrainedResnet_quant.tflite").lowered.plan
    assert plan.size_bytes == plan.lower_bound_bytes == 2 * 32 * 32 * 16
