"""Functions of one value write over their input where nothing else needs it, and only there."""

from __future__ import annotations

import numpy as np
import pytest
from host_model import HostModel, build_library
from test_operators import noise
from tflite_builder import Op, Tensor, build_model
from tflm_reference import Reference

from usim.models import lower, read_graph
from usim.models.lowering import LoweredModel

SHAPE, SIZE = (1, 9, 7), 64  # bytes, rounded up to the plan's alignment
ADD = {"FusedActivationFunction": 0}


def chain(*more: Op, outputs: tuple[int, ...] = (3,)) -> bytes:
    """RELU, LOGISTIC and TANH, one behind the other; `more` operators make tensor 4 and on."""
    tensors = [
        Tensor(SHAPE, 0.1, 3),
        Tensor(SHAPE, 0.1, 3),
        Tensor(SHAPE, 1 / 256, -128),
        Tensor(SHAPE, 1 / 128, 0),
        *(Tensor(SHAPE, 0.2, 1) for _ in more),
    ]
    operators = [Op("RELU", [0], [1]), Op("LOGISTIC", [1], [2]), Op("TANH", [2], [3]), *more]
    return build_model(tensors, operators, [0], list(outputs))


def agreeing(model: bytes, folder) -> LoweredModel:
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, folder))
    reference = Reference(model, len(lowered.outputs))
    for seed in range(3):
        data = [noise(np.random.default_rng(seed), slot) for slot in lowered.inputs]
        host.run(*data)
        for result, expected in zip(host.result(), reference.run(*data), strict=True):
            np.testing.assert_array_equal(result, expected)
    return lowered


def test_a_chain_needs_one_buffer(tmp_path):
    plan = agreeing(chain(), tmp_path).plan
    assert plan.size_bytes == plan.lower_bound_bytes == SIZE
    assert len({plan.offset(tensor) for tensor in range(4)}) == 1


@pytest.mark.parametrize(
    ("model", "apart"),
    [
        (chain(Op("ADD", [1, 3], [4], ADD), outputs=(4,)), (1, 2)),  # read later
        (chain(outputs=(3, 1)), (1, 2)),
        (chain(Op("RESHAPE", [1], [4]), Op("ADD", [3, 4], [5], ADD), outputs=(5,)), (1, 2)),
        (chain(Op("MUL", [1, 1], [4], ADD), outputs=(3, 4)), (1, 2)),
    ],
)
def test_what_is_needed_later_is_not_written_over(model, apart, tmp_path):
    plan = agreeing(model, tmp_path).plan
    assert plan.offset(apart[0]) != plan.offset(apart[1])
    assert plan.offset(2) == plan.offset(3)
