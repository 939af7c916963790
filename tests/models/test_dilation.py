"""Dilated convolutions that converters took apart are put together, and compute the same."""

from __future__ import annotations

import numpy as np
import pytest
from host_model import HostModel, build_library
from movement_cases import integers
from tflite_builder import Op, Tensor, build_model
from tflm_reference import run_reference

from usim.models import lower, read_graph
from usim.models.inspection import inspect_graph

SOURCE, TARGET = (0.5, 5), (3.0, 7)
SAME, VALID = 0, 1


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(-127, 128, shape, dtype=np.int8)


def options(kind: str, padding: int = VALID, rates: tuple[int, int] = (1, 1)) -> dict[str, int]:
    common = {"Padding": padding, "StrideH": 1, "StrideW": 1}
    common |= {"DilationHFactor": rates[0], "DilationWFactor": rates[1]}
    return common | ({"DepthMultiplier": 1} if kind == "DEPTHWISE_CONV_2D" else {})


def picture(kind: str = "CONV_2D", *, free: bool = False, end: int = 2) -> bytes:
    """9x8 pixels, a window of 3x3 with every second pixel, and a border of 2 and 2 (3) lines."""
    images = 1 if free else 4
    channels = 5 if kind == "CONV_2D" else 4
    filters = weights(5, 3, 3, 4) if kind == "CONV_2D" else weights(1, 3, 3, 4)
    tensors = [
        Tensor([1, 9, 8, 4], *SOURCE),
        integers([2, 2]),
        integers([[2, 3], [2, end]]),
        Tensor([images, 7, 6, 4], *SOURCE),
        Tensor(filters.shape, 0.5, data=filters),
        Tensor([images, 5, 4, channels], *TARGET),
        integers([[0, 1], [0, end - 2]]),
        Tensor([1, 9, 8, channels], *TARGET),
    ]
    operators = [
        Op("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
        Op(kind, [3, 4], [5], options(kind)),
        Op("BATCH_TO_SPACE_ND", [5, 1, 6], [7]),
    ]
    return build_model(tensors, operators, [0], [7])


def signal(*, free: bool = False) -> bytes:
    """20 samples, a window of 3 with every fourth one, causal: 8 samples of border before."""
    images = 1 if free else 4
    tensors = [
        Tensor([1, 28, 3], *SOURCE),
        integers([4]),
        integers([[0, 0]]),
        Tensor([images, 7, 3], *SOURCE),
        integers(np.array(1)),
        Tensor([images, 1, 7, 3], *SOURCE),
        Tensor([6, 1, 3, 3], 0.5, data=weights(6, 1, 3, 3)),
        Tensor([images, 1, 5, 6], *TARGET),
        integers([-1, 5, 6]),
        Tensor([images, 5, 6], *TARGET),
        Tensor([1, 20, 6], *TARGET),
    ]
    operators = [
        Op("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
        Op("EXPAND_DIMS", [3, 4], [5]),
        Op("CONV_2D", [5, 6], [7], options("CONV_2D")),
        Op("RESHAPE", [7, 8], [9]),
        Op("BATCH_TO_SPACE_ND", [9, 1, 2], [10]),
    ]
    return build_model(tensors, operators, [0], [10])


def dilated_picture(kind: str) -> bytes:
    """What `picture` is: the operator alone, with a dilation of its own."""
    filters = weights(5, 3, 3, 4) if kind == "CONV_2D" else weights(1, 3, 3, 4)
    tensors = [
        Tensor([1, 9, 8, 4], *SOURCE),
        Tensor(filters.shape, 0.5, data=filters),
        Tensor([1, 9, 8, 5 if kind == "CONV_2D" else 4], *TARGET),
    ]
    return build_model(tensors, [Op(kind, [0, 1], [2], options(kind, SAME, (2, 2)))], [0], [2])


def run(model: bytes, folder, data: np.ndarray) -> np.ndarray:
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, folder))
    host.run(data)
    return host.result()[0]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(9).integers(-128, 128, shape, dtype=np.int8)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_a_dilated_convolution_of_a_picture_is_one_call(kind, free, tmp_path):
    model, data = picture(kind, free=free), noise(1, 9, 8, 4)
    assert [call.kind for call in lower(read_graph(model)).calls] == [kind]
    expected = run_reference(dilated_picture(kind), data)[0]
    np.testing.assert_array_equal(run(model, tmp_path, data), expected)


@pytest.mark.parametrize("free", [False, True])
def test_a_dilated_convolution_of_a_signal_is_one_call(free, tmp_path):
    model, data = signal(free=free), noise(1, 28, 3)
    assert [call.kind for call in lower(read_graph(model)).calls] == ["CONV_2D"]
    np.testing.assert_array_equal(run(model, tmp_path, data), run_reference(signal(), data)[0])


def test_borders_that_no_padding_policy_has_are_moved_as_the_file_says(tmp_path):
    """Two pixels of border behind a line of nine, and none before."""
    tensors = [
        Tensor([1, 1, 9, 4], *SOURCE),
        integers([1, 2]),
        integers([[0, 0], [1, 2]]),
        Tensor([2, 1, 6, 4], *SOURCE),
        Tensor([5, 1, 3, 4], 0.5, data=weights(5, 1, 3, 4)),
        Tensor([2, 1, 4, 5], *TARGET),
        integers([[0, 0], [0, 0]]),
        Tensor([1, 1, 8, 5], *TARGET),
    ]
    moves = [
        Op("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
        Op("CONV_2D", [3, 4], [5], options("CONV_2D")),
        Op("BATCH_TO_SPACE_ND", [5, 1, 6], [7]),
    ]
    model, data = build_model(tensors, moves, [0], [7]), noise(1, 1, 9, 4)
    assert len(lower(read_graph(model)).calls) == 3
    tensors[2] = integers([[0, 0], [0, 0], [1, 2], [0, 0]])
    tensors[3] = Tensor([1, 1, 12, 4], *SOURCE)
    alone = [Op("PAD", [0, 2], [3]), Op("CONV_2D", [3, 4], [7], options("CONV_2D", rates=(1, 2)))]
    expected = run_reference(build_model(tensors, alone, [0], [7]), data)[0]
    np.testing.assert_array_equal(run(model, tmp_path, data), expected)


def test_inspection_says_what_became_of_the_moves():
    facts = inspect_graph(read_graph(picture(free=True), keep_unsupported=True))
    assert [operator.folded for operator in facts.operators] == [True, False, True]
    assert dict(facts.operators[1].options)["dilation"] == "2x2"
