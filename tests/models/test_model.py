"""Model: real numbers in and out."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_builder import Op, Tensor, build_model

from usim.errors import ArgumentError
from usim.models import Model, read_graph


@pytest.fixture
def model():
    tensors = [Tensor([1, 4], 0.5, -1, name="x"), Tensor([4], 0.5, -1, name="y")]
    data = build_model(tensors, [Op("RESHAPE", [0], [1])], [0], [1])
    return Model(read_graph(data, "folder/net.tflite"))


def test_real_values_are_scaled_rounded_half_away_and_clamped(model):
    stored = model.quantize_input([[0.0, 0.25, -0.25, 1000.0]])
    assert stored.dtype == np.int8
    assert stored.tolist() == [[-1, 0, -2, 127]]


def test_batch_of_one_may_be_left_out(model):
    assert model.quantize_input([0.0, 0.5, 1.0, 1.5]).shape == (1, 4)


def test_outputs_become_real_values(model):
    stored = np.array([-1, 0, 1, 127], np.int8)
    assert model.dequantize_output(stored).tolist() == [0.0, 0.5, 1.0, 64.0]


def test_stored_values_are_taken_as_they_are(model):
    assert model.raw_input(np.array([1, 2, 3, 4], np.int8)).tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.quantize_input([1.0, 2.0]), r"'x' int8\[1, 4\] of net got an array of \[2\]"),
        (lambda m: m.quantize_input(["a"]), "the input of net is not an array of numbers"),
        (lambda m: m.quantize_input([float("nan")] * 4), "or they are NaN"),
        (lambda m: m.quantize_input([0.0] * 4, 1), "input 1: the model has 1"),
        (lambda m: m.raw_input(np.zeros(4)), "got float64; see quantize_input"),
        (lambda m: m.dequantize_output(np.zeros(5, np.int8)), r"has not the shape \[5\]"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(model, call, message):
    with pytest.raises(ArgumentError, match=message):
        call(model)


def test_model_tells_its_name_and_ends(model):
    assert model.name == "net"
    assert (model.inputs[0].shape, model.outputs[0].shape) == ((1, 4), (4,))
    assert model.macs == 0
