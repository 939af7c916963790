"""Tensors that share their bytes: parts of a whole without a copy, and where that must not be."""

from __future__ import annotations

import numpy as np
import pytest
from host_model import HostModel, build_library
from movement_cases import integers
from test_operators import noise
from tflite_builder import Op, Tensor, build_model
from tflm_reference import Reference

from usim.models import lower, read_graph

Q = (0.25, 1)
ADD = {"FusedActivationFunction": 0}


def int8(*shape: int, **fields) -> Tensor:
    return Tensor(shape, *Q, **fields)


def kinds(model: bytes) -> list[str]:
    return [call.kind for call in lower(read_graph(model)).calls]


def agree(model: bytes, folder) -> None:
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, folder))
    reference = Reference(model, len(lowered.outputs))
    for seed in range(3):
        rng = np.random.default_rng(seed)
        data = [noise(rng, slot) for slot in lowered.inputs]
        host.run(*data)
        for result, expected in zip(host.result(), reference.run(*data), strict=True):
            np.testing.assert_array_equal(result, expected)


def joined(length: int = 16, axis_extent: int = 1, **fields) -> bytes:
    """Two sums side by side, and the sum of the whole with itself."""
    part, whole = (axis_extent, length), (axis_extent, 2 * length)
    tensors = [int8(*part), int8(*part), int8(*part, **fields), int8(*whole), int8(*whole)]
    operators = [
        Op("ADD", [0, 0], [1], ADD),
        *([] if fields else [Op("ADD", [0, 1], [2], ADD)]),
        Op("CONCATENATION", [1, 2], [3], {"Axis": 1}),
        Op("ADD", [3, 3], [4], ADD),
    ]
    return build_model(tensors, operators, [0], [4])


def test_parts_are_computed_where_the_whole_is(tmp_path):
    lowered = lower(read_graph(joined()))
    assert [call.kind for call in lowered.calls] == ["ADD", "ADD", "ADD"]
    plan = lowered.plan
    assert [plan.offset(2) - plan.offset(1), plan.offset(3) - plan.offset(1)] == [16, 0]
    agree(joined(), tmp_path)


def test_parts_that_would_not_be_aligned_are_copied():
    assert "CONCATENATION" in kinds(joined(length=15))


def test_parts_that_are_not_one_run_of_the_whole_are_copied(tmp_path):
    assert "CONCATENATION" in kinds(joined(axis_extent=2))
    agree(joined(axis_extent=2), tmp_path)


@pytest.mark.parametrize("fields", [{"data": np.ones((1, 16), np.int8)}, {"variable": True}])
def test_constants_and_variables_are_copied(fields):
    assert "CONCATENATION" in kinds(joined(**fields))


def test_part_that_is_there_twice_is_copied(tmp_path):
    tensors = [int8(1, 16), int8(1, 16), int8(1, 32)]
    operators = [
        Op("ADD", [0, 0], [1], ADD),
        Op("CONCATENATION", [1, 1], [2], {"Axis": 1}),
    ]
    model = build_model(tensors, operators, [0], [2])
    assert "CONCATENATION" in kinds(model)
    agree(model, tmp_path)


def test_halves_slices_and_unmoved_axes_are_views(tmp_path):
    tensors = [
        integers(np.array(0)),
        *[int8(32, 2), int8(16, 2), int8(16, 2)],
        *[integers([8, 0]), integers([8, 2]), int8(8, 2)],
        *[integers([1, 0, 2]), int8(1, 8, 2), int8(8, 1, 2), int8(8, 1, 2)],
    ]
    operators = [
        Op("SPLIT", [0, 1], [2, 3], {"NumSplits": 2}),
        Op("SLICE", [3, 4, 5], [6]),
        Op("RESHAPE", [6], [8]),
        Op("TRANSPOSE", [8, 7], [9]),
        Op("ADD", [9, 9], [10], ADD),
    ]
    model = build_model(tensors, operators, [1], [10, 2])
    lowered = lower(read_graph(model))
    assert [call.kind for call in lowered.calls] == ["ADD"]
    assert lowered.calls[0].arguments[0].offset == lowered.plan.offset(1) + 48
    agree(model, tmp_path)


def test_sharing_that_would_take_more_memory_is_not_done():
    # The first part waits long for the second, beside tensors that are larger than the whole.
    small, large = (1, 16), (1, 4096)
    tensors = [int8(*small), int8(*large), integers([0, 0]), integers([1, 16])]
    tensors += [int8(*small), int8(*small), int8(*large), int8(*small), int8(1, 32)]
    operators = [
        Op("ADD", [0, 0], [4], ADD),
        Op("ADD", [1, 1], [6], ADD),
        Op("SLICE", [6, 2, 3], [5]),
        Op("ADD", [5, 5], [7], ADD),
        Op("CONCATENATION", [4, 7], [8], {"Axis": 1}),
    ]
    assert kinds(build_model(tensors, operators, [0, 1], [8])) == ["ADD"] * 3 + ["CONCATENATION"]


def random_graph(rng: np.random.Generator) -> bytes:
    """Rows of different lengths, added, joined, cut and renamed in random order."""
    tensors, rows = [int8(1, 48), int8(1, 16)], [0, 1]
    operators: list[Op] = []

    def new(*shape: int) -> int:
        tensors.append(int8(*shape))
        return len(tensors) - 1

    def numbers(values) -> int:
        tensors.append(integers(values))
        return len(tensors) - 1

    for _ in range(int(rng.integers(3, 12))):
        source = int(rng.choice(rows))
        length = tensors[source].shape[1]
        match rng.choice(["add", "join", "cut", "slice", "rename"]):
            case "add":
                rows.append(new(1, length))
                operators.append(Op("ADD", [source, source], [rows[-1]], ADD))
            case "join":
                parts = [source, *map(int, rng.choice(rows, int(rng.integers(1, 3))))]
                rows.append(new(1, sum(tensors[part].shape[1] for part in parts)))
                operators.append(Op("CONCATENATION", parts, [rows[-1]], {"Axis": 1}))
            case "cut" if length % 2 == 0:
                axis, parts = numbers(np.array(1)), [new(1, length // 2) for _ in range(2)]
                rows += parts
                operators.append(Op("SPLIT", [axis, source], parts, {"NumSplits": 2}))
            case "slice":
                start = int(rng.integers(0, length))
                begin, size = numbers([0, start]), numbers([1, length - start])
                rows.append(new(1, length - start))
                operators.append(Op("SLICE", [source, begin, size], [rows[-1]]))
            case _:
                rows.append(new(1, length))
                operators.append(Op("RESHAPE", [source], [rows[-1]]))
    rows.append(new(1, 16))
    operators.append(Op("ADD", [1, 1], [rows[-1]], ADD))  # so that there is some code
    outputs = sorted({rows[-1], *map(int, rng.choice(rows[2:], 3))})
    return build_model(tensors, operators, [0, 1], outputs)


@pytest.mark.parametrize("seed", range(24))
def test_random_graphs_of_parts_and_wholes_equal_tflite_micro(tmp_path, seed):
    agree(random_graph(np.random.default_rng(seed)), tmp_path)


def test_random_graphs_do_share():
    graphs = [random_graph(np.random.default_rng(seed)) for seed in range(24)]
    left_out = 0
    for model in graphs:
        graph = read_graph(model)
        plan = lower(graph).plan
        left_out += sum(shift > 0 for shift in plan.shifts.values())
    assert left_out > 10
