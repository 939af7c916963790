"""x * LOGISTIC(x) is one table, and gives what the two operators give one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from case_values import activation, pick, scale, zero_point
from host_model import HostModel, build_library
from tflite_builder import Op, Tensor, build_model
from tflm_reference import run_reference

from usim.models import lower, read_graph

EVERY_VALUE = np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16)


def swish(seed: int, *, outputs: tuple[int, ...] = (2,)) -> bytes:
    """Of a random scale, with the operands of MUL in either order."""
    rng = np.random.default_rng(seed)
    source = Tensor([1, 16, 16], scale(rng, 1e-3, 0.5), zero_point(rng))
    spread = source.scale * float(rng.choice([0.1, 0.5, 1, 1, 2]))
    target = Tensor([1, 16, 16], spread, zero_point(rng))
    tensors = [source, Tensor([1, 16, 16], 1 / 256, -128), target]
    operands = [0, 1] if pick(rng, 0, 1) else [1, 0]
    operators = [
        Op("LOGISTIC", [0], [1]),
        Op("MUL", operands, [2], {"FusedActivationFunction": activation(rng)}),
    ]
    return build_model(tensors, operators, [0], outputs)


@pytest.mark.parametrize("seed", range(20))
def test_a_swish_is_one_table(seed, tmp_path):
    lowered = lower(read_graph(swish(seed)))
    assert [call.kind for call in lowered.calls] == ["MUL"]
    assert "lookup_s8" in lowered.source
    host = HostModel(lowered, build_library(lowered.source, tmp_path))
    host.run(EVERY_VALUE)
    np.testing.assert_array_equal(host.result()[0], run_reference(swish(seed), EVERY_VALUE)[0])


def test_a_gate_that_is_read_besides_stays():
    lowered = lower(read_graph(swish(3, outputs=(2, 1))))
    assert [call.kind for call in lowered.calls] == ["LOGISTIC", "MUL"]


def test_the_gate_of_something_else_stays():
    tensors = [Tensor([1, 4], 0.1), Tensor([1, 4], 0.1), Tensor([1, 4], 1 / 256, -128)]
    tensors.append(Tensor([1, 4], 0.1))
    operators = [Op("LOGISTIC", [1], [2]), Op("MUL", [0, 2], [3])]
    lowered = lower(read_graph(build_model(tensors, operators, [0, 1], [3])))
    assert [call.kind for call in lowered.calls] == ["LOGISTIC", "MUL"]
