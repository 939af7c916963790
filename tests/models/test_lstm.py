"""LSTM layers on the chip, their states, a network as TensorFlow converts it, and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from host_model import HostModel, build_library
from lstm_cases import TANH, lstm, lstm_model, lstm_tensors
from test_operators import input_sets
from tflite_builder import Op, Tensor, build_model
from tflm_reference import Reference, run_reference, run_reference_layers

import usim
from usim.errors import ModelError
from usim.models import Model, lower, read_graph
from usim.models.inspection import inspect_graph

KERAS = Path(__file__).parent / "data" / "keras_lstm.tflite"
OPTIONS = {"FusedActivationFunction": TANH}


@pytest.fixture(scope="module")
def session() -> Iterator[usim.Session]:
    with usim.Session("stm32f746", timing="count") as opened:
        yield opened


def sequences(shape: tuple[int, ...], count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(9)
    return [rng.integers(-128, 128, shape, dtype=np.int8) for _ in range(count)]


@pytest.mark.parametrize("index", range(20))
def test_layer_on_the_chip_goes_on_as_in_tflite_micro(session, index):
    data = lstm(np.random.default_rng([11, index]), "")
    compiled = session.load_model(Model(read_graph(data)))
    reference = Reference(data)
    try:
        for inputs in input_sets(compiled.model.lowered, np.random.default_rng(index)):
            np.testing.assert_array_equal(compiled(*inputs), reference.run(*inputs)[0])
    finally:
        compiled.unload()


def test_reset_takes_the_layer_back_to_its_first_state(session):
    rng = np.random.default_rng(1)
    data = lstm_model(lstm_tensors(rng, 5, 7, 1), (1, 2, 5), OPTIONS)
    compiled = session.load_model(Model(read_graph(data)))
    (sequence,) = sequences((1, 2, 5), 1)
    answers = [compiled(sequence) for _ in range(3)]
    assert not np.array_equal(answers[0], answers[1])
    compiled.reset()
    for answer in answers:
        np.testing.assert_array_equal(compiled(sequence), answer)
    compiled.unload()


def test_network_from_keras_equals_tflite_micro_layer_by_layer(tmp_path):
    model = Model.load(KERAS)
    host = HostModel(model.lowered, build_library(model.lowered.source, tmp_path))
    for sequence in sequences(model.inputs[0].shape, 30):
        host.reset()
        outputs = host.run(sequence)
        expected = run_reference_layers(KERAS.read_bytes(), model.graph, sequence)
        for call, output in zip(model.lowered.calls, outputs, strict=True):
            np.testing.assert_array_equal(output, expected[call.index], err_msg=call.function)


def test_network_from_keras_finds_the_loudest_third_on_the_chip(session):
    # Each sequence from the first state: the network was trained without a memory of earlier ones.
    compiled = session.load_model(KERAS)
    values = np.random.default_rng(21).normal(0, 1, (40, 12, 6)).astype(np.float32)
    loudest = (values.reshape(40, 3, -1) ** 2).sum(axis=2).argmax(axis=1)
    right = 0
    for value, third in zip(values, loudest, strict=True):
        stored = compiled.model.quantize_input(value)
        compiled.reset()
        answer = compiled(stored)
        np.testing.assert_array_equal(answer, run_reference(KERAS.read_bytes(), stored)[0])
        right += int(answer.argmax() == third)
    assert right >= 25  # 13 by chance


def changed(
    options: dict[str, object] | None = None, sequence: tuple[int, ...] = (1, 2, 3), **new: Tensor
) -> bytes:
    """A layer of 4 units with other options, input or tensors."""
    tensors = lstm_tensors(np.random.default_rng(2), 3, 4, 1)
    return lstm_model({**tensors, **new}, sequence, {**OPTIONS, **(options or {})})


def test_inspection_names_what_is_unusual_about_a_layer():
    graph = read_graph(changed({"TimeMajor": True, "CellClip": 2.5}, sequence=(2, 1, 3)))
    (operator,) = inspect_graph(graph).operators
    assert operator.options_text == "time major, cell clip 2.5"


def constant(shape: tuple[int, ...], scale: float | list[float], dtype: str = "int8") -> Tensor:
    return Tensor(shape, scale, 0, dtype, data=np.ones(shape, dtype))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (changed({"FusedActivationFunction": 1}), "fused activation 1 is not supported"),
        (changed(sequence=(1, 3)), "must have 3 dimensions"),
        (changed(sequence=(2, 2, 3)), "should have shape [2, 4]"),
        (changed({"TimeMajor": True}), "should have shape [2, 4]"),
        (changed(hidden=Tensor((1, 4), 0.01, 0)), "before it is written"),
        (changed(hidden=Tensor((4,), 0.01, 0, variable=True)), "should have shape [1, 4]"),
        (changed(cell=Tensor((1, 4), 2**-11, 0, "int8", variable=True)), "an int16 variable"),
        (changed(cell=Tensor((1, 4), 2**-11, 1, "int16", variable=True)), "has zero point 1"),
        (changed(cell=Tensor((1, 5), 2**-11, 0, "int16", variable=True)), "as many elements as"),
        (changed(cell=Tensor((1, 4), 0.001, 0, "int16", variable=True)), "a power of two"),
        (changed(cell=Tensor((1, 4), 8.0, 0, "int16", variable=True)), "from 2^-29 to 2^2"),
        (changed(input_f=constant((4, 2), 0.1)), "should have shape [4, 3]"),
        (changed(recurrent_o=constant((4, 4), [0.1] * 4)), "with one scale"),
        (changed(input_c=constant((4, 3), 0.1, "int16")), "must be an int8 constant"),
        (changed(bias_i=constant((4,), 0.1, "int64")), "must be an int32 constant"),
        (changed(bias_o=Tensor((4,), 1.0, 0, "int32", data=np.full(4, 2**31 - 1, np.int32))),
         "32-bit sums overflow"),
        (changed(input_i=constant((4, 3), 1e9)), "too large"),
    ],
)  # fmt: skip
def test_what_a_layer_cannot_do_is_refused(model, message):
    with pytest.raises(ModelError) as caught:
        lower(read_graph(model))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("position", "variant"),
    [(9, "peepholes"), (17, "a projection"), (23, "layer normalisation")],
)
def test_variants_of_the_layer_are_refused_by_name(position, variant):
    inputs = [0] * 9 + [-1] * 15
    inputs[position] = 0
    tensors = [Tensor((1, 1, 1), 1.0, 0), Tensor((1, 1, 1), 1.0, 0)]
    operator = Op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [1], OPTIONS)
    with pytest.raises(ModelError, match=variant):
        lower(read_graph(build_model(tensors, [operator], [0], [1])))
