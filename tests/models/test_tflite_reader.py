"""The .tflite reader: what it gives for good files, and one clear line for every bad one."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tflite_builder import Op, Tensor, build_model

from usim.errors import ModelError
from usim.models import OPERATORS, Model, lower, read_graph
from usim.models.graph import Quantization
from usim.models.operators.conv_2d import Conv2DOptions
from usim.models.operators.window import Padding
from usim.models.quantization import FusedActivation
from usim.models.tflite_schema import OPTIONS

CONV = {"Padding": 0, "StrideH": 2, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}


def parts(**changes):
    """A small convolution; `changes` replace the tensors' and operators' fields by name."""
    tensors = {
        "x": Tensor([1, 4, 4, 2], 0.5, -1, name="x"),
        "w": Tensor([3, 1, 1, 2], [0.1, 0.2, 0.3], 0, data=np.arange(6, dtype=np.int8), name="w"),
        "b": Tensor([3], [0.05, 0.1, 0.15], 0, "int32", data=np.arange(3, dtype=np.int32)),
        "y": Tensor([1, 2, 4, 3], 1.0, 3, name="y"),
    }
    operator = Op("CONV_2D", [0, 1, 2], [3], dict(CONV))
    for key, value in changes.items():
        name, _, attribute = key.partition("_")
        setattr(operator if name == "op" else tensors[name], attribute, value)
    return list(tensors.values()), [operator]


def model(**changes) -> bytes:
    return build_model(*parts(**changes), [0], [3])


def problem(data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        lower(read_graph(data, "net.tflite"))
    message = str(caught.value)
    assert message.startswith("net.tflite: ")
    assert "\n" not in message
    assert caught.value.file == "net.tflite"
    return message.removeprefix("net.tflite: ")


def test_graph_has_the_files_tensors_operators_and_options():
    graph = read_graph(model(op_options={**CONV, "FusedActivationFunction": 3}), "net.tflite")
    x, w, b, y = graph.tensors
    assert (x.name, x.shape, x.dtype, x.scale, x.zero_point) == ("x", (1, 4, 4, 2), "int8", 0.5, -1)
    assert x.data is None
    assert w.quantization == Quantization(
        tuple(float(np.float32(s)) for s in (0.1, 0.2, 0.3)), (0, 0, 0), 0
    )
    np.testing.assert_array_equal(w.data, np.arange(6).reshape(3, 1, 1, 2))
    assert b.data.dtype == np.int32
    assert (graph.inputs, graph.outputs) == ((0,), (3,))
    (operator,) = graph.operators
    assert (operator.kind, operator.inputs, operator.outputs) == ("CONV_2D", (0, 1, 2), (3,))
    assert isinstance(operator.options, Conv2DOptions)
    assert operator.options.steps.padding is Padding.SAME
    assert operator.options.steps.stride == (2, 1)
    assert operator.options.activation is FusedActivation.RELU6
    assert y.size_bytes == 24


def test_constants_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        read_graph(model()).tensors[1].data[0] = 1


def test_free_batch_size_means_one():
    assert read_graph(model(x_signature=[-1, 4, 4, 2])).tensors[0].shape == (1, 4, 4, 2)


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000)])
def test_other_files_are_not_models(data):
    assert problem(data).startswith("not a TFLite model")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.tflite: cannot read the model: No such file"):
        Model.load(tmp_path / "nowhere.tflite")


def test_all_unsupported_operators_are_named_with_their_indices():
    tensors = [Tensor([4], 0.5, 0) for _ in range(15)]
    operators = [Op("RESHAPE", [0], [1]), Op("SPARSE_TO_DENSE", [1, 1], [2])]
    operators += [Op("GELU", [i], [i + 1]) for i in range(2, 12)]
    operators.append(Op("SPARSE_TO_DENSE", [12, 12], [13]))
    with pytest.raises(ModelError) as caught:
        read_graph(build_model(tensors, operators, [0], [13]), "net.tflite")
    assert str(caught.value) == (
        "net.tflite: operators that are not supported: SPARSE_TO_DENSE (1, 12), "
        "GELU (2, 3, 4, 5, 6, 7, 8, 9 and 2 more); `usim inspect` shows the whole model, README.md "
        "says what is supported"
    )
    assert caught.value.operator == 1


def test_operator_above_code_127_is_named():
    tensors = [Tensor([4], 0.5, 0), Tensor([4], 0.5, 0)]
    data = build_model(tensors, [Op("GELU", [0], [1])], [0], [1])
    assert problem(data).startswith("operators that are not supported: GELU (0); ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_shape": [1, -4, 4, 2]}, "tensor 0 'x': shape [1, -4, 4, 2]; every extent must be at"),
        ({"x_shape": [1, 0, 4, 2]}, "tensor 0 'x': shape [1, 0, 4, 2]; every extent must be at"),
        ({"x_shape": [1, 2**30, 4, 2]}, "tensor 0 'x': shape [1, 1073741824, 4, 2] needs"),
        ({"x_shape": [1] * 9}, "tensor 0 'x': 9 dimensions; at most 8 are supported"),
        ({"x_signature": [1, -1, 4, 2]}, "tensor 0 'x': dimension 1 is dynamic; convert"),
        ({"x_dtype": "complex64"}, "tensor 0 'x': type COMPLEX64 is not supported (have: bool"),
        ({"x_dtype": "float32"}, "operator 0 (CONV_2D): tensor 0 'x' float32[1, 4, 4, 2] is not"),
        ({"x_scale": None}, "operator 0 (CONV_2D): tensor 0 'x' int8[1, 4, 4, 2] must be quantis"),
        ({"x_scale": float("nan")}, "tensor 0 'x': scale nan; it must be positive and finite"),
        ({"x_scale": -1.0}, "tensor 0 'x': scale -1.0; it must be positive and finite"),
        ({"x_zero_point": 300}, "tensor 0 'x': zero point 300 is outside int8"),
        ({"x_scale": [0.5, 0.5], "x_axis": 9}, "tensor 0 'x': 2 scales along dimension 9 of"),
        ({"x_data": np.zeros(32, np.int8)}, "the input tensor 0 'x' int8[1, 4, 4, 2] is a const"),
        ({"x_shape": [1, 4, 4, 3]}, "operator 0 (CONV_2D): the weights take 2 channels to"),
        ({"x_shape": [16, 2]}, "operator 0 (CONV_2D): tensor 0 'x' int8[16, 2] must have 4 dim"),
        ({"y_shape": [1, 4, 4, 3]}, "operator 0 (CONV_2D): tensor 3 'y' int8[1, 4, 4, 3] should"),
        ({"w_data": b"12345"}, "tensor 1 'w': its buffer 2 holds 5 bytes, shape [3, 1, 1, 2]"),
        ({"w_data": None}, "operator 0 (CONV_2D) reads tensor 1 'w' int8[3, 1, 1, 2] before"),
        ({"w_scale": None}, "operator 0 (CONV_2D): the weights, tensor 1 'w' int8[3, 1, 1, 2]"),
        ({"w_zero_point": 1}, "operator 0 (CONV_2D): the weights, tensor 1 'w' int8[3, 1, 1, 2]"),
        ({"w_scale": [0.1, 0.2], "w_axis": 3}, "operator 0 (CONV_2D): the weights, tensor 1 'w'"),
        ({"b_data": np.full(3, 2**31 - 1, np.int32)}, "operator 0 (CONV_2D): weights and bias"),
        ({"b_shape": [1]}, "tensor 2 't': 3 scales along dimension 0 of shape [1]"),
        ({"y_scale": 1e-12}, "operator 0 (CONV_2D): the scales give a multiplier of"),
        ({"op_inputs": [0, 9, 2]}, "operator 0 (CONV_2D): inputs name tensor 9 of 4"),
        ({"op_inputs": [-2, 1, 2]}, "operator 0 (CONV_2D): inputs name tensor -2 of 4"),
        ({"op_inputs": [-1, 1, 2]}, "operator 0 (CONV_2D): input 0 is missing"),
        ({"op_inputs": [0]}, "operator 0 (CONV_2D): 1 inputs and 1 outputs; it takes 2 to 3"),
        ({"op_inputs": [3, 1, 2]}, "operator 0 (CONV_2D) reads tensor 3 'y' int8[1, 2, 4, 3] bef"),
        ({"op_outputs": [-1]}, "operator 0 (CONV_2D): outputs name tensor -1 of 4"),
        ({"op_outputs": [0]}, "operator 0 (CONV_2D) writes tensor 0 'x' int8[1, 4, 4, 2] a sec"),
        ({"op_outputs": []}, "no operator writes the output tensor 3 'y' int8[1, 2, 4, 3]"),
        ({"op_options": None}, "operator 0 (CONV_2D): its options are missing"),
        ({"op_options": {**CONV, "StrideH": 0}}, "operator 0 (CONV_2D): a stride or dilation of 0"),
        ({"op_options": {**CONV, "Padding": 7}}, "operator 0 (CONV_2D): padding 7 is not supp"),
        (
            {"op_options": {**CONV, "FusedActivationFunction": 4}},
            "operator 0 (CONV_2D): fused activation 4 is not supported (have: NONE, RELU,",
        ),
    ],
)
def test_inconsistent_model_is_refused_with_what_is_wrong(changes, message):
    assert problem(model(**changes)).startswith(message)


def test_model_of_several_subgraphs_is_refused():
    data = build_model(*parts(), [0], [3], subgraphs=2)
    assert problem(data) == "2 subgraphs; only models with a single one are supported"


def test_other_schema_version_is_refused():
    assert problem(build_model(*parts(), [0], [3], version=2)) == "TFLite schema version 2, not 3"


def test_model_without_operators_is_refused():
    tensors, _ = parts()
    assert problem(build_model(tensors, [], [0], [0])).startswith("the model has 0 operators")


def accepted(data: bytes) -> bool:
    """Read and lower; anything but success or a one-line ModelError fails the test."""
    try:
        lower(read_graph(data, "net.tflite"))
    except ModelError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        return False
    return True


SMALL = model()


@pytest.mark.parametrize("kept", range(0, len(SMALL), 64))
def test_model_cut_at_any_byte_is_refused_or_complete(kept):
    for size in range(kept, min(kept + 64, len(SMALL))):
        accepted(SMALL[:size])
    assert accepted(SMALL)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(8, len(SMALL) - 1), st.integers(0, 255)), max_size=4))
def test_changed_bytes_never_escape_as_other_errors(changes):
    data = bytearray(SMALL)
    for position, value in changes:
        data[position] = value
    accepted(bytes(data))


@settings(max_examples=400, deadline=None)
@given(
    st.integers(2, len(SMALL) // 4 - 1),
    st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 0x7FFFFFF0, len(SMALL), len(SMALL) - 4])
    | st.integers(0, 2**32 - 1),
)
@example(2, 0)
def test_changed_words_never_escape_as_other_errors(word, value):
    data = bytearray(SMALL)
    struct.pack_into("<I", data, word * 4, value)
    accepted(bytes(data))


def test_vectors_that_share_their_bytes_do_not_multiply_the_work():
    # 4000 references to one tensor with 3000 scales: 80 KB that would become 24 million numbers.
    shared = Tensor([3000], [1.0] * 3000, 0, "int32")
    tensors = [Tensor([1], 1.0, 0), Tensor([1], 1.0, 0), *[shared] * 4000]
    data = build_model(tensors, [Op("RESHAPE", [0], [1])], [0], [1])
    assert len(data) < 100_000
    assert problem(data) == "the TFLite file is damaged (its tables or vectors overlap)"


def test_options_that_a_recipe_reads_are_checked_before():
    read = {recipe.options_type for recipe in OPERATORS.values()} - {None}
    assert read == set(OPTIONS)


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (0xFFFF_FFF0, "Model would be bytes"),
        (0x21, "Model at byte 33 is not aligned to 4"),
        (0, "the offset to Model is 0"),
    ],
)
def test_an_offset_that_leads_nowhere_is_named(offset, message):
    data = bytearray(SMALL)
    struct.pack_into("<I", data, 0, offset)
    assert problem(bytes(data)).startswith(f"the TFLite file is truncated or damaged ({message}")


def test_constant_output_is_refused():
    tensors, operators = parts()
    assert problem(build_model(tensors, operators, [0], [3, 1])) == (
        "the output tensor 1 'w' int8[3, 1, 1, 2] is a constant"
    )
