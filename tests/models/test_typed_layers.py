"""Layers and small networks of int16 and float32, against TensorFlow Lite Micro; refusals."""

from __future__ import annotations

import numpy as np
import pytest
from case_values import Rng
from host_model import HostModel, build_library
from tflite_builder import Op, Tensor, build_model
from tflm_reference import run_reference
from typed_cases import INT32, INT64

import usim
from usim.errors import ModelError
from usim.models import Model, lower, read_graph

LARGEST = np.finfo(np.float32).max
SUBNORMAL = np.float32(1e-45)


def on_host(model: bytes, folder, *inputs: np.ndarray) -> np.ndarray:
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, folder))
    host.run(*inputs)
    return host.result()[0]


def on_chip(model: bytes, *inputs: np.ndarray) -> np.ndarray:
    with usim.Session("stm32f746", timing="count") as session:
        return session.load_model(Model(read_graph(model)))(*inputs)


def assert_same_bits(result: np.ndarray, expected: np.ndarray) -> None:
    """Also the sign of zeros; of NaNs, only that they are some."""
    assert result.dtype == expected.dtype == np.float32
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(result), ~numbers)
    np.testing.assert_array_equal(
        result[numbers].view(np.uint32), expected[numbers].view(np.uint32)
    )


def dense_f32(weights: np.ndarray, activation: int = 0) -> bytes:
    tensors = [
        Tensor([1, weights.shape[1]], dtype="float32"),
        Tensor(weights.shape, dtype="float32", data=weights.astype(np.float32)),
        Tensor([1, len(weights)], dtype="float32"),
    ]
    options = {"FusedActivationFunction": activation}
    return build_model(tensors, [Op("FULLY_CONNECTED", [0, 1], [2], options)], [0], [2])


def product_f32(shape: list[int], activation: int = 0) -> bytes:
    tensors = [Tensor(shape, dtype="float32") for _ in range(3)]
    options = {"FusedActivationFunction": activation}
    return build_model(tensors, [Op("MUL", [0, 1], [2], options)], [0, 1], [2])


@pytest.mark.parametrize("run", ["host", "chip"])
def test_float_sums_have_the_order_and_the_roundings_of_the_reference(tmp_path, run):
    # Large terms that cancel, so that every fused product or other order shows.
    rng = np.random.default_rng(3)
    model = dense_f32(rng.normal(0, 1, (37, 211)) * 10.0 ** rng.integers(-6, 7, (37, 211)))
    data = rng.normal(0, 1, (1, 211)).astype(np.float32)
    expected = run_reference(model, data)[0]
    assert_same_bits(on_host(model, tmp_path, data) if run == "host" else on_chip(model, data),
                     expected)  # fmt: skip


SPECIAL = np.array(
    [
        *(0.0, -0.0, 1.0, -1.0, 6.0, 6.5, 1e-20, 1e-38, SUBNORMAL, -SUBNORMAL, 3 * SUBNORMAL),
        *(np.inf, -np.inf, np.nan, LARGEST, -LARGEST),
    ],
    np.float32,
)


@pytest.mark.parametrize("run", ["host", "chip"])
@pytest.mark.parametrize("activation", [0, 1, 2, 3])
def test_products_of_special_numbers_have_the_bits_of_the_reference(tmp_path, run, activation):
    left, right = np.meshgrid(SPECIAL, SPECIAL)
    model = product_f32(list(left.shape), activation)
    expected = run_reference(model, left, right)[0]
    assert not np.isinf(expected).any()
    result = on_host(model, tmp_path, left, right) if run == "host" else on_chip(model, left, right)
    assert_same_bits(result, expected)


@pytest.mark.parametrize("activation", [0, 1, 3])
def test_sums_of_special_numbers_have_the_bits_of_the_reference(activation):
    weights = np.stack(np.meshgrid(SPECIAL, SPECIAL), axis=-1).reshape(-1, 2)
    model = dense_f32(weights, activation)
    for value in (1.0, -0.0, 0.5, np.inf):
        data = np.full((1, 2), value, np.float32)
        assert_same_bits(on_chip(model, data), run_reference(model, data)[0])


def test_every_product_of_two_int16_ends_and_of_many_others(tmp_path):
    points = np.concatenate([np.arange(-32768, 32767, 513), [-32767, -1, 0, 1, 32767]])
    left, right = (grid.astype(np.int16) for grid in np.meshgrid(points, points))
    for step in (2.0**-15, 2.0**-14 / 3, 1.0):
        tensors = [Tensor(left.shape, 2.0**-15, 0, "int16") for _ in range(2)]
        tensors.append(Tensor(left.shape, step, 0, "int16"))
        model = build_model(tensors, [Op("MUL", [0, 1], [2], {})], [0, 1], [2])
        folder = tmp_path / str(step)
        folder.mkdir()
        expected = run_reference(model, left, right)[0]
        np.testing.assert_array_equal(on_host(model, folder, left, right), expected)
        np.testing.assert_array_equal(on_chip(model, left, right), expected)


def dense_s16(weights: np.ndarray, bias: Tensor | None, step: float, bias_type: int = 0) -> bytes:
    units, depth = weights.shape
    tensors = [
        Tensor([1, depth], 1.0, 0, "int16"),
        Tensor(weights.shape, 1.0, 0, data=weights),
        Tensor([1, units], step, 0, "int16"),
    ]
    inputs = [0, 1]
    if bias is not None:
        tensors.append(bias)
        inputs.append(3)
    options = {"QuantizedBiasType": bias_type}
    return build_model(tensors, [Op("FULLY_CONNECTED", inputs, [2], options)], [0], [2])


@pytest.mark.parametrize("bias_type", [INT32, INT64])
def test_sums_beyond_32_bits_wrap_only_where_the_bias_has_32(tmp_path, bias_type):
    depth = 1100
    weights = np.stack([np.full(depth, -128), np.full(depth, 127)]).astype(np.int8)
    data = np.full((1, depth), -32768, np.int16)
    model = dense_s16(weights, None, 2.0**18, bias_type)
    expected = run_reference(model, data)[0]
    assert (expected[0, 0] == 128 * 32768 * depth // 2**18) == (bias_type == INT64)
    np.testing.assert_array_equal(on_host(model, tmp_path, data), expected)
    np.testing.assert_array_equal(on_chip(model, data), expected)


def perceptron(rng: Rng, dtype: str, layers: int = 3) -> bytes:
    """float32 in and out; RELU between layers; MUL behind them."""
    width, kind = 19, "float32" if dtype == "float32" else "int16"
    tensors = [Tensor([2, 1, width], dtype="float32", name="in")]

    def activation(scale: float, shape: tuple[int, ...] = (2, width)) -> int:
        tensors.append(Tensor(shape, *(() if kind == "float32" else (scale, 0)), dtype=kind))
        return len(tensors) - 1

    def constant(data: np.ndarray, scale: float | None = None) -> int:
        tensors.append(Tensor(data.shape, scale, 0, str(data.dtype), data=data))
        return len(tensors) - 1

    operators: list[Op] = []
    source = 0
    if kind == "int16":
        source = activation(1e-4, (2, 1, width))
        operators.append(Op("QUANTIZE", [0], [source]))
    flat = activation(1e-4)
    operators.append(Op("RESHAPE", [source], [flat]))
    source = flat
    for layer in range(layers):
        if kind == "float32":
            weights = constant(rng.normal(0, 0.3, (width, width)).astype(np.float32))
            bias = constant(rng.normal(0, 1, width).astype(np.float32))
        else:
            weights = constant(rng.integers(-127, 128, (width, width), np.int8), 0.005)
            bias = constant(rng.integers(-9999, 9999, width).astype(dtype), 1e-4 * 0.005)
        target = activation(1e-4)
        options = {"FusedActivationFunction": int(layer < layers - 1)}
        operators.append(Op("FULLY_CONNECTED", [source, weights, bias], [target], options))
        source = target
    gains = rng.normal(0, 1, width)
    gain = constant(gains.astype(np.float32)) if kind == "float32" else constant(
        (gains * 8000).astype(np.int16), 1 / 8000)  # fmt: skip
    target = activation(2e-4)
    operators.append(Op("MUL", [source, gain], [target], {}))
    if kind == "int16":
        tensors.append(Tensor([2, width], dtype="float32"))
        operators.append(Op("DEQUANTIZE", [target], [len(tensors) - 1]))
    return build_model(tensors, operators, [0], [len(tensors) - 1])


@pytest.mark.parametrize("dtype", ["float32", "int32", "int64"])
def test_a_perceptron_equals_the_reference_on_host_and_chip(tmp_path, dtype):
    """`dtype`: float32 throughout, or int16 layers with biases of that type."""
    rng = np.random.default_rng(5)
    model = perceptron(rng, dtype)
    data = rng.normal(0, 1, (2, 1, 19)).astype(np.float32)
    expected = run_reference(model, data)[0]
    assert len(np.unique(expected)) > 30
    assert_same_bits(on_host(model, tmp_path, data), expected)
    assert_same_bits(on_chip(model, data), expected)


def test_int16_layers_between_int8_ones(tmp_path):
    rng = np.random.default_rng(6)
    tensors = [
        Tensor([1, 8], 0.05, -3),
        Tensor([1, 8], 2e-4, 0, "int16"),
        Tensor([5, 8], 0.01, 0, data=rng.integers(-127, 128, (5, 8), np.int8)),
        Tensor([1, 5], 4e-4, 0, "int16"),
        Tensor([1, 5], 0.06, 9),
    ]
    operators = [
        Op("QUANTIZE", [0], [1]),
        Op("FULLY_CONNECTED", [1, 2], [3], {"FusedActivationFunction": 1}),
        Op("QUANTIZE", [3], [4]),
    ]
    model = build_model(tensors, operators, [0], [4])
    data = rng.integers(-128, 128, (1, 8), np.int8)
    np.testing.assert_array_equal(on_host(model, tmp_path, data), run_reference(model, data)[0])


S16 = (1.0, 0, "int16")
ONES = np.ones((2, 4), np.int8)
REAL = Tensor([2, 4], dtype="float32", data=ONES.astype(np.float32))
LARGE = np.array([2**47, 0])


@pytest.mark.parametrize(
    ("kind", "tensors", "message"),
    [
        ("MUL", [Tensor([4], *S16), Tensor([4], 1.0, 0), Tensor([4], *S16)], "differ in type"),
        ("MUL", [Tensor([4], *S16), Tensor([4], *S16), Tensor([4], 1.0, 0)], "differ in type"),
        ("MUL", [Tensor([4], 1.0, 3, "int16"), Tensor([4], *S16), Tensor([4], *S16)],
         "has zero point 3; it must be 0"),
        ("MUL", [Tensor([4], dtype="int32")] * 3, "not supported (int8, int16, float32)"),
        ("ADD", [Tensor([4], *S16)] * 3, "is not int8"),
        ("FULLY_CONNECTED", [Tensor([1, 4], *S16), REAL, Tensor([1, 2], *S16)], "int8 constant"),
        ("FULLY_CONNECTED", [Tensor([1, 4], dtype="float32"), Tensor([2, 4], 1.0, 0, data=ONES),
                             Tensor([1, 2], dtype="float32")], "must be a float32 constant"),
        ("FULLY_CONNECTED", [Tensor([1, 4], dtype="float32"), REAL,
                             Tensor([1, 3], dtype="float32")], "do not take"),
        ("FULLY_CONNECTED", [Tensor([1, 4], *S16), Tensor([2, 4], 1.0, 0, data=ONES),
                             Tensor([1, 2], 1.0, 0)], "not supported (int16)"),
        ("FULLY_CONNECTED", [Tensor([1, 4], *S16), Tensor([2, 4], 1.0, 0, data=ONES),
                             Tensor([2], dtype="int16", data=np.ones(2, np.int16)),
                             Tensor([1, 2], *S16)], "must be an int32 constant"),
        ("FULLY_CONNECTED", [Tensor([1, 4], *S16), Tensor([2, 4], 1.0, 0, data=ONES),
                             Tensor([2], dtype="int64", data=LARGE), Tensor([1, 2], *S16)],
         "48-bit sums overflow"),
        ("FULLY_CONNECTED", [Tensor([1, 4], *S16), Tensor([2, 4], 1.0, 0, data=ONES),
                             Tensor([1, 2], 1 / 128, 0, "int16")], "too large for 64-bit sums"),
        ("QUANTIZE", [Tensor([4], 1.0, 0, "uint8"), Tensor([4], *S16)], "is not supported (have: "),
    ],
)  # fmt: skip
def test_what_a_typed_layer_cannot_do_is_refused(kind, tensors, message):
    last = len(tensors) - 1
    tensors = [Tensor(**vars(tensor)) for tensor in tensors]
    inputs = [i for i, tensor in enumerate(tensors[:last]) if tensor.data is None]
    with pytest.raises(ModelError) as caught:
        lower(
            read_graph(build_model(tensors, [Op(kind, [*range(last)], [last], {})], inputs, [last]))
        )
    assert message in str(caught.value)
    assert caught.value.operator == 0
