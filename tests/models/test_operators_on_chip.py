"""Kernels as the chip runs them, on its DSP instructions, against TensorFlow Lite Micro.

The host's tests go through the kernels' portable paths; these are the others, on the same cases.
"""

from __future__ import annotations

import numpy as np
import pytest
from operator_cases import CASES
from test_operators import input_sets
from tflm_reference import run_reference
from typed_cases import TYPED_CASES

import usim
from usim.models import Model, read_graph

CASES_PER_OPERATOR = 20
KINDS = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "AVERAGE_POOL_2D", "MAX_POOL_2D"),
    "TRANSPOSE_CONV",
    *TYPED_CASES,
)


@pytest.fixture(scope="module")
def session():
    with usim.Session("stm32f746", timing="count") as session:
        yield session


@pytest.mark.parametrize("index", range(CASES_PER_OPERATOR))
@pytest.mark.parametrize("kind", KINDS)
def test_kernel_on_the_chip_equals_tflite_micro(session, kind, index):
    rng = np.random.default_rng([list(CASES).index(kind), index])
    data = CASES[kind](rng, kind)
    compiled = session.load_model(Model(read_graph(data, f"{kind} {index}")))
    try:
        for inputs in input_sets(compiled.model.lowered, np.random.default_rng(index)):
            np.testing.assert_array_equal(compiled(*inputs), run_reference(data, *inputs)[0])
    finally:
        compiled.unload()


def test_stack_of_every_kernel_is_known_and_is_what_runs_use():
    needed = peak = 0
    with usim.Session("stm32f746", timing="count") as session:
        for number, (kind, make) in enumerate(CASES.items()):
            data = make(np.random.default_rng([number, 0]), kind)
            compiled = session.load_model(Model(read_graph(data, kind)))
            compiled(*next(iter(input_sets(compiled.model.lowered, np.random.default_rng(0)))))
            need = compiled.working_memory.stack
            compiled.unload()
            assert need.size_bytes is not None, f"{kind}: {need.problem}"
            peak = {use.name: use.peak_bytes for use in session.memory_use()}["stack"]
            # The peak is the largest so far, which an earlier operator may have set.
            needed = max(needed, need.size_bytes)
            assert peak <= needed, kind
    assert needed <= peak + 64
