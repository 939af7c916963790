"""Elementwise and reducing operators on the emulated chip; inputs and outputs of every type."""

from __future__ import annotations

import numpy as np
import pytest
from case_values import Rng
from elementwise_cases import ELEMENTWISE_CASES
from test_operators import input_sets
from tflite_builder import Op, Tensor, build_model
from tflm_reference import run_reference

import usim
from usim.errors import ArgumentError
from usim.models import Model, read_graph


@pytest.fixture(scope="module")
def session():
    with usim.Session("stm32f746", timing="count") as opened:
        yield opened


def float_to_class() -> bytes:
    """float32 -> int8 -> MUL by a gate (squeeze and excite) -> MEAN -> float32, and ARG_MAX."""
    image, pooled = [1, 6, 5, 8], [1, 8]
    tensors = [
        Tensor(image, dtype="float32", name="in"),
        Tensor(image, 0.02, -7),
        Tensor([2], dtype="int32", data=np.array([1, 2], np.int32)),
        Tensor([1, 1, 1, 8], 0.02, 5),
        Tensor([1, 1, 1, 8], 1 / 256, -128),
        Tensor(image, 0.015, 3),
        Tensor(pooled, 0.01, 0),
        Tensor(pooled, dtype="float32", name="scores"),
        Tensor([1], dtype="int32", data=np.array([-1], np.int32)),
        Tensor([1], dtype="int32", name="class"),
    ]
    operators = [
        Op("QUANTIZE", [0], [1]),
        Op("MEAN", [1, 2], [3], {"KeepDims": True}),
        Op("LOGISTIC", [3], [4]),
        Op("MUL", [1, 4], [5]),
        Op("MEAN", [5, 2], [6], {"KeepDims": False}),
        Op("DEQUANTIZE", [6], [7]),
        Op("ARG_MAX", [6, 8], [9], {"OutputType": 2}),
    ]
    return build_model(tensors, operators, [0], [7, 9])


@pytest.fixture(scope="module")
def compiled(session):
    return session.load_model(Model(read_graph(float_to_class())))


def random_image(rng: Rng) -> np.ndarray:
    return rng.normal(0, 1.5, (1, 6, 5, 8)).astype(np.float32)


def test_a_float_model_has_float_scores_and_an_integer_class(compiled):
    for seed in range(20):
        values = random_image(np.random.default_rng(seed))
        scores, chosen = compiled(values)
        assert (scores.dtype, chosen.dtype) == (np.float32, np.int32)
        np.testing.assert_array_equal(scores, run_reference(float_to_class(), values)[0])
        assert chosen.tolist() == [np.argmax(scores)]


def test_other_floats_become_float32(compiled):
    values = random_image(np.random.default_rng(1)).astype(np.float64)
    expected = compiled(values.astype(np.float32))[0]
    np.testing.assert_array_equal(compiled(values + 1e-12)[0], expected)
    np.testing.assert_array_equal(compiled(values.tolist())[0], expected)
    np.testing.assert_array_equal(compiled(values[0])[0], expected)
    with pytest.raises(ArgumentError, match=r"'in' float32\[1, 6, 5, 8\] of model got int64"):
        compiled(np.zeros((1, 6, 5, 8), np.int64))


@pytest.mark.parametrize("kind", ELEMENTWISE_CASES)
def test_the_chip_computes_what_tflite_micro_does(session, kind):
    for seed in range(3):
        data = ELEMENTWISE_CASES[kind](np.random.default_rng([7, seed]), kind)
        model = session.load_model(Model(read_graph(data, kind)))
        for inputs in list(input_sets(model.model.lowered, np.random.default_rng(seed)))[:2]:
            np.testing.assert_array_equal(model(*inputs), run_reference(data, *inputs)[0])
        model.unload()


def test_the_chip_quantises_every_kind_of_number_as_the_host_does(session):
    ties = np.arange(-200, 200, dtype=np.float32) + np.float32(0.5)
    values = np.concatenate([ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf)])
    beyond = [np.inf, -np.inf, np.nan, 3e38, -3e38, 4e9, -4e9, 1e-45, -0.0]
    values = np.concatenate([values, beyond]).astype(np.float32)
    tensors = [Tensor([len(values)], dtype="float32"), Tensor([len(values)], 0.5, 10)]
    data = build_model(tensors, [Op("QUANTIZE", [0], [1])], [0], [1])
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.nan_to_num(values / np.float32(0.5), nan=0)
        rounded = np.copysign(np.floor(np.abs(steps.astype(np.float64)) + 0.5), steps)
    expected = np.clip(rounded + 10, -128, 127).astype(np.int8)
    np.testing.assert_array_equal(session.load_model(Model(read_graph(data)))(values), expected)
