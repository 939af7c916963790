"""What converters leave of shapes that were free: computed here, so that nothing is left to run."""

from __future__ import annotations

import numpy as np
from host_model import HostModel, build_library
from movement_cases import integers
from tflite_builder import Op, Tensor, build_model
from tflm_reference import run_reference

from usim.models import lower, read_graph
from usim.models.inspection import inspect_graph

Q = (0.5, 3)
FREE = (-1, 4, 6)


def flatten(*, shape_is_output: bool = False) -> bytes:
    """A Flatten as it is converted where the batch size is free, between two paddings."""
    tensors = [
        Tensor([1, 4, 6], *Q, signature=FREE),
        integers(np.zeros((3, 2))),
        Tensor([1, 4, 6], *Q, signature=FREE),
        Tensor([3], dtype="int32"),
        integers([0]),
        integers([1]),
        integers([1]),
        Tensor([], dtype="int32"),
        integers(np.array(24)),
        Tensor([2], dtype="int32"),
        Tensor([1, 24], *Q, signature=(-1, 24)),
        integers(np.zeros((2, 2))),
        Tensor([1, 24], *Q, signature=(-1, 24)),
    ]
    operators = [
        Op("PAD", [0, 1], [2]),
        Op("SHAPE", [2], [3], {"OutType": 2}),
        Op("STRIDED_SLICE", [3, 4, 5, 6], [7], {"ShrinkAxisMask": 1}),
        Op("PACK", [7, 8], [9], {"ValuesCount": 2}),
        Op("RESHAPE", [2, 9], [10]),
        Op("PAD", [10, 11], [12]),
    ]
    return build_model(tensors, operators, [0], [12, 3] if shape_is_output else [12])


def noise() -> np.ndarray:
    return np.random.default_rng(9).integers(-128, 128, (1, 4, 6), dtype=np.int8)


def test_a_flatten_of_a_free_batch_needs_no_code(tmp_path):
    lowered = lower(read_graph(flatten()))
    assert [call.kind for call in lowered.calls] == ["PAD", "PAD"]
    host = HostModel(lowered, build_library(lowered.source, tmp_path))
    host.run(noise())
    np.testing.assert_array_equal(host.result()[0], run_reference(flatten(), noise())[0])


def test_a_shape_that_the_model_puts_out_is_written(tmp_path):
    model = flatten(shape_is_output=True)
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, tmp_path))
    host.run(noise())
    expected = run_reference(model, noise(), outputs=2)
    np.testing.assert_array_equal(host.result()[1], expected[1])


def test_inspection_says_which_operators_are_constants():
    facts = inspect_graph(read_graph(flatten(), keep_unsupported=True))
    assert [item.kind for item in facts.operators if item.folded] == [
        "SHAPE",
        "STRIDED_SLICE",
        "PACK",
    ]
    assert not facts.problems


def test_extents_are_multiplied_and_joined():
    tensors = [
        Tensor([1, 4, 6], *Q),
        Tensor([3], dtype="int32"),
        integers([2, 3, 4]),
        Tensor([3], dtype="int32"),
        Tensor([6], dtype="int32"),
        Tensor([1, 4, 6], *Q),
    ]
    operators = [
        Op("SHAPE", [0], [1], {"OutType": 2}),
        Op("MUL", [1, 2], [3]),
        Op("CONCATENATION", [3, 1], [4]),
        Op("RELU6", [0], [5]),
    ]
    graph = read_graph(build_model(tensors, operators, [0], [5]))
    joined = graph.tensors[4].data
    assert joined is not None
    assert joined.tolist() == [2, 12, 24, 1, 4, 6]


def test_what_cannot_be_folded_is_refused_by_name():
    tensors = [
        Tensor([1, 4], *Q),
        integers([1, 2]),
        integers([1, 2, 3]),
        Tensor([2], dtype="int32"),
        Tensor([1, 4], *Q),
    ]
    operators = [Op("ADD", [1, 2], [3]), Op("RELU6", [0], [4])]
    facts = inspect_graph(
        read_graph(build_model(tensors, operators, [0], [4]), keep_unsupported=True)
    )
    assert len(facts.problems) == 1
    assert facts.problems[0].startswith("operator 0 (ADD)")
