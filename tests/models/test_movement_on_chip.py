"""Moving, resizing and remembering on the chip, against TensorFlow Lite Micro, on random models."""

from __future__ import annotations

import numpy as np
import pytest
from movement_cases import MOVEMENT_CASES
from test_operators import input_sets
from tflm_reference import Reference

import usim
from usim.models import Model, read_graph

CASES_PER_OPERATOR = 5


@pytest.fixture(scope="module")
def session():
    with usim.Session("stm32f746", timing="count") as session:
        yield session


@pytest.mark.parametrize("index", range(CASES_PER_OPERATOR))
@pytest.mark.parametrize("kind", MOVEMENT_CASES)
def test_kernel_on_the_chip_equals_tflite_micro(session, kind, index):
    data = MOVEMENT_CASES[kind](np.random.default_rng([*kind.encode(), index]), kind)
    compiled = session.load_model(Model(read_graph(data, f"{kind} {index}")))
    reference = Reference(data, len(compiled.model.outputs))
    try:
        for inputs in input_sets(compiled.model.lowered, np.random.default_rng(index)):
            results = compiled.profile(*inputs).outputs
            for result, expected in zip(results, reference.run(*inputs), strict=True):
                np.testing.assert_array_equal(result, expected)
    finally:
        compiled.unload()
