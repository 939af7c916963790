"""What folding and joining make of models that are wrong or unusual: a refusal, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_builder import Op, Tensor, build_model

from usim.errors import ModelError
from usim.models import lower, read_graph

X = Tensor([1, 4, 4, 2], 0.1)
SHAPE = Tensor([2], None, dtype="int32", data=np.array([3, 4], np.int32))
RESULT = Tensor([2], None, dtype="int32")
BLOCK = Tensor([2], None, dtype="int32", data=np.array([2, 2], np.int32))
BORDERS = Tensor([2, 2], None, dtype="int32", data=np.zeros((2, 2), np.int32))


def problem(tensors: list[Tensor], operators: list[Op], output: int) -> str:
    with pytest.raises(ModelError) as caught:
        lower(read_graph(build_model(tensors, operators, [0], [output]), "net.tflite"))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("net.tflite: ")
    return message


@pytest.mark.parametrize("kind", ["SQUARED_DIFFERENCE", "PRELU"])
def test_an_operator_without_integer_arithmetic_is_not_folded(kind):
    tensors = [X, SHAPE, RESULT, X]
    operators = [Op(kind, [1, 1], [2]), Op("RESHAPE", [0, 2], [3])]
    assert f"operator 0 ({kind})" in problem(tensors, operators, 3)


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        *((kind, inputs) for kind in ("ADD", "GATHER") for inputs in ([], [1], [-1, 1])),
        *((kind, []) for kind in ("RESHAPE", "PACK", "CONCATENATION")),
    ],
)
def test_constants_that_are_missing_are_not_folded(kind, inputs):
    tensors = [X, SHAPE, RESULT, X]
    operators = [Op(kind, inputs, [2], {} if kind in ("ADD", "RESHAPE") else {"Axis": 0})]
    operators.append(Op("RESHAPE", [0, 2], [3]))
    assert f"operator 0 ({kind})" in problem(tensors, operators, 3)


def test_operators_around_a_dilated_convolution_may_lack_anything():
    options = {"Padding": 1, "StrideH": 1, "StrideW": 1}
    options |= {"DilationHFactor": 1, "DilationWFactor": 1}
    tensors = [X, BLOCK, BORDERS, Tensor([4, 2, 2, 2], 0.1), Tensor([4, 2, 2, 2], 0.1), X]
    for weights in ([], [-1]):
        operators = [
            Op("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
            Op("CONV_2D", [3, *weights], [4], options),
            Op("BATCH_TO_SPACE_ND", [4, 1, 2], [5]),
        ]
        assert "operator 1 (CONV_2D)" in problem(tensors, operators, 5)


def test_a_dilated_convolution_whose_result_changes_its_scale_stays_in_parts():
    weights = np.ones((2, 1, 1, 2), np.int8)
    options = {"Padding": 1, "StrideH": 1, "StrideW": 1}
    options |= {"DilationHFactor": 1, "DilationWFactor": 1}
    tensors = [X, BLOCK, BORDERS, Tensor([4, 2, 2, 2], 0.1), Tensor([4, 2, 2, 2], 0.1)]
    tensors += [Tensor([1, 4, 4, 2], 0.2), Tensor([2, 1, 1, 2], 0.1, data=weights)]
    operators = [
        Op("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
        Op("CONV_2D", [3, 6], [4], options),
        Op("BATCH_TO_SPACE_ND", [4, 1, 2], [5]),
    ]
    lowered = lower(read_graph(build_model(tensors, operators, [0], [5])))
    assert [call.kind for call in lowered.calls] == [operator.kind for operator in operators]


def test_a_scale_whose_inverse_is_no_float32_is_refused():
    tensors = [Tensor([4], 0.1), Tensor([4], 1e-45)]
    assert "the scale of tensor 1" in problem(tensors, [Op("ELU", [0], [1])], 1)
