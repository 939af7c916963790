"""Operators that move data: several outputs, constants as inputs, and what is refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from host_model import HostModel, build_library
from hypothesis import given, settings
from hypothesis import strategies as st
from movement_cases import MOVEMENT_CASES, integers, one_input
from tflite_builder import Op, Tensor, build_model
from tflm_reference import run_reference

import usim
from usim.errors import ModelError
from usim.models import lower, read_graph

Q = (0.5, 3)


def int8(*shape: int, data: np.ndarray | None = None) -> Tensor:
    return Tensor(shape, *Q, data=data)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(9).integers(-128, 128, shape, dtype=np.int8)


def agree(model: bytes, folder, *inputs: np.ndarray) -> None:
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, folder))
    host.run(*inputs)
    results = host.result()
    for result, expected in zip(
        results, run_reference(model, *inputs, outputs=len(results)), strict=True
    ):
        np.testing.assert_array_equal(result, expected)


def split_and_join() -> bytes:
    """Two halves, one of which is put before the other again."""
    tensors = [
        int8(1, 4, 6),
        integers(np.array(2)),
        *[int8(1, 4, 3) for _ in range(2)],
        int8(1, 4, 6),
    ]
    operators = [
        Op("SPLIT", [1, 0], [2, 3], {"NumSplits": 2}),
        Op("CONCATENATION", [3, 2], [4], {"Axis": -1}),
    ]
    return build_model(tensors, operators, [0], [4, 2])


def test_several_outputs_are_one_call_with_its_outputs_last(tmp_path):
    lowered = lower(read_graph(split_and_join()))
    split, _ = lowered.calls
    assert (split.output_count, split.output_shape) == (2, (1, 4, 3))
    assert [argument.tensor for argument in split.arguments] == [0, 2, 3]
    agree(split_and_join(), tmp_path, noise(1, 4, 6))


def test_trace_on_the_chip_gives_every_output(tmp_path):
    path = tmp_path / "halves.tflite"
    path.write_bytes(split_and_join())
    data = noise(1, 4, 6)
    with usim.Session("stm32f746", timing="count") as session:
        model = session.load_model(path)
        joined, first = model(data)
        np.testing.assert_array_equal(first, data[..., :3])
        np.testing.assert_array_equal(joined, np.roll(data, 3, axis=2))
        traced = [(layer.kind, output) for layer, output in model.trace(data)]
    assert [kind for kind, _ in traced] == ["SPLIT", "SPLIT", "CONCATENATION"]
    np.testing.assert_array_equal(traced[1][1], data[..., 3:])


def test_output_that_nobody_reads_has_a_place_of_its_own(tmp_path):
    tensors = [int8(4), integers(np.array(0)), int8(2), int8(2)]
    agree(
        build_model(tensors, [Op("SPLIT", [1, 0], [2, 3], {"NumSplits": 2})], [0], [3]),
        tmp_path,
        noise(4),
    )


@pytest.mark.parametrize("kind", ["RESHAPE", "SQUEEZE"])
def test_renamed_constant_is_copied_for_its_reader(tmp_path, kind):
    tensors = [int8(1, 4, data=noise(1, 4)), int8(4), int8(4), int8(4)]
    operators = [Op(kind, [0], [1]), Op("ADD", [1, 2], [3])]
    agree(build_model(tensors, operators, [2], [3]), tmp_path, noise(4))


@pytest.mark.parametrize(
    "kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "SOFTMAX"]
)
def test_constant_may_stand_for_any_activation(tmp_path, kind):
    options = {
        "CONV_2D": {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1},
        "MAX_POOL_2D": {"StrideH": 1, "StrideW": 1, "FilterHeight": 1, "FilterWidth": 1},
        "SOFTMAX": {"Beta": 1.0},
    }
    options["DEPTHWISE_CONV_2D"] = {**options["CONV_2D"], "DepthMultiplier": 1}
    options["AVERAGE_POOL_2D"] = options["MAX_POOL_2D"]
    shape = (1, 3, 3, 1)
    result = Tensor(shape, 1 / 256, -128) if kind == "SOFTMAX" else int8(*shape)
    tensors = [int8(*shape, data=noise(*shape)), result, int8(*shape), int8(*shape)]
    inputs = [0]
    if "CONV" in kind:
        tensors.append(Tensor((1, 1, 1, 1), 1.0, 0, data=np.full((1, 1, 1, 1), 2, np.int8)))
        inputs.append(4)
    operators = [Op(kind, inputs, [1], options[kind]), Op("ADD", [1, 2], [3])]
    agree(build_model(tensors, operators, [2], [3]), tmp_path, noise(*shape))


def test_constant_at_an_odd_address_is_moved_as_it_is(tmp_path):
    value = Tensor((3,), dtype="int16", data=np.array([1, -2, 300], np.int16))
    tensors = [Tensor((3,), dtype="int16"), value, Tensor((6,), dtype="int16")]
    model = build_model(tensors, [Op("CONCATENATION", [0, 1], [2], {"Axis": 0})], [0], [2])
    agree(model, tmp_path, np.array([7, 8, 9], np.int16))


def test_axes_that_stay_together_become_one_run():
    lowered = lower(read_graph(one_input([int8(4, 5, 6), integers([1, 0, 2]), int8(5, 4, 6)],
                                         "TRANSPOSE", {})))  # fmt: skip
    assert ".extent = {1, 1, 1, 5, 4}," in lowered.source
    assert ".run = 6," in lowered.source


RESIZE = [int8(1, 2, 2, 1), integers([4, 4]), int8(1, 4, 4, 1)]
STRIDED = [int8(4), integers([0]), integers([2]), integers([1]), int8(2)]
KERNEL = Tensor((1, 3, 3, 1), 1.0, 0, data=np.ones((1, 3, 3, 1), np.int8))
UP = {"StrideH": 2, "StrideW": 2, "Padding": 1}


@pytest.mark.parametrize(
    ("kind", "tensors", "options", "message"),
    [
        ("PAD", [int8(4), int8(2), int8(6)], {}, "input 1, tensor 1 't' int8[2], must be an int32"),
        ("PAD", [int8(4), integers([1]), int8(5)], {}, "should have 2 elements"),
        ("PAD", [int8(4), integers([-1, 2]), int8(5)], {}, "paddings [-1, 2]; none may be negat"),
        ("PAD", [int8(4), integers([1, 2]), int8(6)], {}, "should have shape [7]"),
        ("PAD", [int8(4), integers([1, 2]), Tensor((7,), dtype="int16")], {}, "differ in type"),
        (
            "PADV2",
            [int8(4), integers([1, 2]), Tensor((), 1.0, 3, data=np.int8(5).tobytes()), int8(7)],
            {},
            "must share scale and zero point",
        ),
        ("TRANSPOSE", [int8(4, 5), integers([0, 0]), int8(4, 4)], {}, "[0, 0] is no order of"),
        ("TRANSPOSE", [int8(4, 5), integers([1, 0]), int8(4, 5)], {}, "should have shape [5, 4]"),
        ("RESHAPE", [int8(4), integers([5]), int8(5)], {}, "does not become"),
        ("CONCATENATION", [int8(4), int8(4)], {"Axis": 1}, "axis 1 of a tensor with 1 dimensions"),
        ("CONCATENATION", [int8(4, 2), int8(3, 2)], {"Axis": 1}, "is no part of"),
        ("CONCATENATION", [int8(4), int8(5)], {"Axis": 0}, "parts make up 4 of dimension 0"),
        ("CONCATENATION", [int8(4), int8(4)], {"FusedActivationFunction": 1}, "a fused activation"),
        ("SPLIT", [integers(np.array(0)), int8(4), int8(2)], {"NumSplits": 0}, "0 parts; there"),
        (
            "SPLIT",
            [integers(np.array(0)), int8(4), int8(2)],
            {"NumSplits": 2},
            "1 outputs; it tak",
        ),
        ("SPLIT", [integers(np.array(0)), int8(4), int8(2)], {"NumSplits": 1}, "parts make up 2"),
        ("SLICE", [int8(4), integers([3]), integers([2]), int8(2)], {}, "2 from 3 is not inside"),
        ("SLICE", [int8(4), integers([4]), integers([-1]), int8(1)], {}, "0 from 4 is not inside"),
        ("STRIDED_SLICE", STRIDED, {"EllipsisMask": 1}, "ellipsis_mask, new_axis_mask and offset"),
        ("STRIDED_SLICE", STRIDED, {"BeginMask": 1, "EndMask": 1}, "should have shape [4]"),
        (
            "STRIDED_SLICE",
            [*STRIDED[:3], integers([0]), STRIDED[4]],
            {},
            "a stride of 0 along dimension 0",
        ),
        (
            "STRIDED_SLICE",
            [STRIDED[0], integers([4]), *STRIDED[2:]],
            {"ShrinkAxisMask": 1},
            "nothing is left of dimension 0",
        ),
        (
            "RESIZE_BILINEAR",
            RESIZE,
            {"AlignCorners": 1, "HalfPixelCenters": 1},
            "align_corners and half_pixel_centers exclude each other",
        ),
        ("RESIZE_BILINEAR", [*RESIZE[:2], int8(1, 4, 3, 1)], {}, "should have shape [1, 4, 4, 1]"),
        (
            "RESIZE_NEAREST_NEIGHBOR",
            [int8(1, 1, 1, 1), integers([1 << 17, 1]), int8(1, 1 << 17, 1, 1)],
            {},
            "an image of 131072 pixels; at most 65536 are supported",
        ),
        (
            "TRANSPOSE_CONV",
            [integers([1, 2, 2, 1]), KERNEL, int8(1, 1, 1, 1), int8(1, 2, 2, 1)],
            UP,
            "a window of 3 does not fit an output of 2",
        ),
        (
            "TRANSPOSE_CONV",
            [integers([1, 3, 3, 1]), KERNEL, int8(1, 1, 1, 2), int8(1, 3, 3, 1)],
            UP,
            "the weights take 1 channels and",
        ),
    ],
)
def test_what_cannot_be_moved_is_refused_by_name(kind, tensors, options, message):
    last = len(tensors) - 1
    inputs = [i for i in range(last) if tensors[i].data is None]
    data = build_model(tensors, [Op(kind, [*range(last)], [last], options)], inputs, [last])
    with pytest.raises(ModelError) as caught:
        lower(read_graph(data, "net.tflite"))
    assert str(caught.value).startswith(f"net.tflite: operator 0 ({kind}): ")
    assert message in str(caught.value)


SEEDS = [case(np.random.default_rng([*kind.encode(), 1]), kind)
         for kind, case in MOVEMENT_CASES.items()]  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.integers(2, max(map(len, SEEDS)) // 4),
    st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 0x7FFFFFF0, 1 << 16])
    | st.integers(0, 2**32 - 1),
)
def test_changed_words_never_escape_as_other_errors(seed, word, value):
    data = bytearray(seed)
    struct.pack_into("<I", data, word * 4 % (len(data) - 4), value)
    try:
        lower(read_graph(bytes(data), "net.tflite"))
    except ModelError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("counts", [(1, 1, 1), (2, 1, 1), (1, 3, 1), (1, 1, 4), (2, 3, 4)])
def test_tile_repeats_along_each_axis_as_numpy_does(counts, tmp_path):
    shape = tuple(extent * count for extent, count in zip((2, 3, 5), counts, strict=True))
    tensors = [int8(2, 3, 5), integers(counts), int8(*shape)]
    lowered = lower(read_graph(one_input(tensors, "TILE", {})))
    data = noise(2, 3, 5)
    host = HostModel(lowered, build_library(lowered.source, tmp_path))
    host.run(data)
    np.testing.assert_array_equal(host.result()[0], np.tile(data, counts))
