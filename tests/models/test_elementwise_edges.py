"""Every value of functions of one byte, every pair of bytes, and what elementwise operators refuse,
against TensorFlow Lite Micro."""

from __future__ import annotations

import math

import numpy as np
import pytest
from case_values import Rng, zero_point
from host_model import HostModel, build_library
from tflite_builder import Op, Tensor, build_model
from tflm_reference import run_reference

from usim.errors import ModelError
from usim.models import lower, read_graph

EVERY_INT8 = np.arange(-128, 128).astype(np.int8)
LEFT, RIGHT = (grid.astype(np.int8) for grid in np.meshgrid(EVERY_INT8, EVERY_INT8))


def float32(value: float) -> float:
    return float(np.float32(value))


def table_of(model: bytes) -> np.ndarray:
    """The model's results for stored values 0 .. 255 or -128 .. 127, in this order, as bytes."""
    (table,) = lower(read_graph(model)).constants
    signed = read_graph(model).tensors[0].dtype == "int8"
    return np.roll(table.data, 128) if signed else table.data


def unary_model(kind: str, source: Tensor, target: Tensor, **options: float) -> bytes:
    return build_model([source, target], [Op(kind, [0], [1], options)], [0], [1])


def random_scales(rng: Rng) -> tuple[float, float]:
    """Two scales: near together, near a tie, or far apart."""
    first = float32(math.exp(rng.uniform(-14, 4)))
    near_tie = rng.integers(1, 256) / (rng.integers(0, 128) + 0.5)
    factor = rng.choice([1.0, rng.uniform(0.3, 3), near_tie, near_tie, math.exp(rng.normal(0, 5))])
    return first, float32(first * factor)


def random_unary(rng: Rng, kind: str) -> bytes:
    first, second = random_scales(rng)
    source = Tensor([256], first, zero_point(rng))
    target = Tensor([256], second, zero_point(rng))
    options = {}
    if kind == "LEAKY_RELU":
        options["Alpha"] = float32(rng.choice([0.01, 0.1, 0.3, rng.normal(0, 1), 0.0]))
    if kind == "LOGISTIC":
        target.zero_point = -128
    if kind == "HARD_SWISH":
        target.scale = max(second, float32(first / 127))
    return unary_model(kind, source, target, **options)


@pytest.mark.parametrize("kind", ["HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "RELU", "RELU6", "TANH"])
def test_tables_are_right_for_every_input(kind):
    for seed in range(300):
        model = random_unary(np.random.default_rng(seed), kind)
        expected = run_reference(model, EVERY_INT8)[0]
        np.testing.assert_array_equal(table_of(model).view(np.int8), expected, f"seed {seed}")


@pytest.mark.parametrize(
    ("source", "target"), [("int8", "int8"), ("int8", "uint8"), ("uint8", "int8")]
)
def test_requantising_tables_are_right_for_every_input(source, target):
    shift = {"int8": 0, "uint8": 128}
    values = EVERY_INT8 if source == "int8" else np.arange(256, dtype=np.uint8)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        first, second = random_scales(rng)
        model = unary_model(
            "QUANTIZE",
            Tensor([256], first, zero_point(rng) + shift[source], source),
            Tensor([256], second, zero_point(rng) + shift[target], target),
        )
        expected = run_reference(model, values)[0]
        np.testing.assert_array_equal(table_of(model).view(target), expected, f"seed {seed}")


@pytest.mark.parametrize("step", [2.0**-26, 1e-6, 1e-3, 0.1, 1.0, 16.0, 1e4, 1e9])
@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH"])
def test_saturating_functions_over_scales_from_flat_to_steps(kind, step):
    for zero in (-128, 0, 127):
        target = Tensor([256], 1 / 256, -128) if kind == "LOGISTIC" else Tensor([256], 1 / 128, 0)
        model = unary_model(kind, Tensor([256], float32(step), zero), target)
        expected = run_reference(model, EVERY_INT8)[0]
        np.testing.assert_array_equal(table_of(model).view(np.int8), expected)


def agree(model: bytes, folder, *inputs: np.ndarray) -> np.ndarray:
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, folder))
    host.run(*inputs)
    result = host.result()[0]
    np.testing.assert_array_equal(result, run_reference(model, *inputs)[0])
    return result


def binary_model(kind: str, tensors: list[Tensor]) -> bytes:
    return build_model(tensors, [Op(kind, [0, 1], [2], {})], [0, 1], [2])


@pytest.mark.parametrize("scales", [(0.021, 0.034, 0.04), (0.1, 0.1, 0.8), (1e-4, 2.0, 0.015)])
@pytest.mark.parametrize("kind", ["MAXIMUM", "MINIMUM", "MUL", "SUB"])
def test_every_pair_of_values(tmp_path, kind, scales):
    points = (5, -77, -3)
    pairs = zip(scales, points, strict=True)
    tensors = [Tensor([256, 256], float32(scale), point) for scale, point in pairs]
    agree(binary_model(kind, tensors), tmp_path, LEFT, RIGHT)


@pytest.mark.parametrize("kind", ["ADD", "MAXIMUM", "MUL", "SUB"])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([], [2, 3]),
        ([1], [1]),
        ([7], []),
        ([2, 3, 4, 5], [4, 1]),
        ([2, 1, 3, 1, 2], [1, 2, 1, 3, 1]),
        ([2, 1, 2, 1, 2, 1], [1, 3, 1, 3, 1, 3]),
        ([1, 5, 7, 1], [3, 1, 1, 2]),
    ],
)
def test_broadcasting(tmp_path, kind, left, right):
    result = np.broadcast_shapes(tuple(left), tuple(right))
    tensors = [Tensor(left, 0.5, 3), Tensor(right, 0.25, -9), Tensor(result, 1.0, 1)]
    rng = np.random.default_rng(1)
    inputs = [rng.integers(-128, 128, shape, dtype=np.int8) for shape in (left, right)]
    agree(binary_model(kind, tensors), tmp_path, *inputs)


def test_product_beyond_int32_wraps(tmp_path):
    tensors = [Tensor([256, 256], 1.0, -128), Tensor([256, 256], 1.0, 127)]
    tensors.append(Tensor([256, 256], float32(3e-7), 100))
    agree(binary_model("MUL", tensors), tmp_path, LEFT, RIGHT)


def test_numbers_that_no_int8_can_hold_saturate(tmp_path):
    model = unary_model("QUANTIZE", Tensor([7], dtype="float32"), Tensor([7], 0.5, 10))
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, tmp_path))
    # TensorFlow Lite Micro converts these to int32, which C++ leaves open.
    host.run(np.array([np.inf, -np.inf, np.nan, 3e38, -3e38, 4e9, -4e9], np.float32))
    assert host.result()[0].tolist() == [127, -128, 10, 127, -128, 127, -128]


def test_numbers_next_to_a_tie_are_rounded_away_from_zero_only_at_it(tmp_path):
    ties = np.arange(-200, 200, dtype=np.float32) + np.float32(0.5)
    values = np.concatenate([ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf)])
    values = np.concatenate([values, [0.0, -0.0, 1e-45]]).astype(np.float32)
    shape = [len(values)]
    agree(
        unary_model("QUANTIZE", Tensor(shape, dtype="float32"), Tensor(shape, 1.0, 0)),
        tmp_path,
        values,
    )


@pytest.mark.parametrize("step", [1e-45, 1.1754944e-38, 0.1, 3e38])
def test_dequantised_values_are_exact_from_subnormals_to_infinity(tmp_path, step):
    model = unary_model("DEQUANTIZE", Tensor([256], step, -3), Tensor([256], dtype="float32"))
    agree(model, tmp_path, EVERY_INT8)


AXIS = np.array([1], np.int32)
BEYOND = np.array([2], np.int32)
Q8 = (1.0, 0)


@pytest.mark.parametrize(
    ("kind", "tensors", "options", "message"),
    [
        ("MUL", [Tensor([4, 2], *Q8), Tensor([4], *Q8), Tensor([4, 2], *Q8)], {},
         "shapes [4, 2] and [4] cannot be broadcast"),
        ("SUB", [Tensor([4], *Q8), Tensor([1], *Q8), Tensor([1], *Q8)], {}, "have shape [4]"),
        ("MUL", [Tensor([4], 1e4, 0), Tensor([4], 1e4, 0), Tensor([4], 1e-8, 0)], {}, "too large"),
        ("MAXIMUM", [Tensor([4], dtype="float32")] * 3, {}, "is not int8"),
        ("RELU6", [Tensor([4], 1e-12, 0), Tensor([4], 1e-12, 0)], {}, "is too small for RELU6"),
        ("LEAKY_RELU", [Tensor([4], *Q8)] * 2, {"Alpha": math.inf}, "alpha is inf"),
        ("HARD_SWISH", [Tensor([4], 1.0, 0), Tensor([4], 0.001, 0)], {}, "is less than 1/128"),
        ("LOGISTIC", [Tensor([4], *Q8), Tensor([4], 1 / 256, 0)], {}, "must have zero point -128"),
        ("TANH", [Tensor([4], 1e-9, 0), Tensor([4], 1 / 128, 0)], {}, "is out of range"),
        ("TANH", [Tensor([4], *Q8), Tensor([2, 2], 1 / 128, 0)], {}, "should have shape [4]"),
        ("QUANTIZE", [Tensor([4], dtype="int32"), Tensor([4], *Q8)], {}, "not supported (have: "),
        ("QUANTIZE", [Tensor([4], dtype="float32"), Tensor([4])], {}, "with one scale"),
        ("QUANTIZE", [Tensor([4]), Tensor([4], *Q8)], {}, "with one scale"),
        ("DEQUANTIZE", [Tensor([4], *Q8), Tensor([4], *Q8)], {}, "is not float32"),
        ("MEAN", [Tensor([4, 3], *Q8), Tensor([1], dtype="int32"), Tensor([4], *Q8)], {},
         "must be an int32 constant"),
        ("MEAN", [Tensor([4, 3], *Q8), Tensor([1], dtype="int32", data=BEYOND), Tensor([4], *Q8)],
         {}, "axis 2 of a tensor with 2 dimensions"),
        ("MEAN", [Tensor([4, 3], *Q8), Tensor([1], dtype="int32", data=AXIS), Tensor([3], *Q8)],
         {}, "should have shape [4]"),
        ("ARG_MAX", [Tensor([4, 3], *Q8), Tensor([1], dtype="int32", data=AXIS), Tensor([4], *Q8)],
         {}, "is not int32"),
        ("BATCH_MATMUL", [Tensor([2, 3], *Q8), Tensor([2, 3], *Q8), Tensor([2, 3], *Q8)], {},
         "2 x 3 and 2 x 3 matrices"),
        ("BATCH_MATMUL", [Tensor([3], *Q8), Tensor([3, 1], *Q8), Tensor([1], *Q8)], {},
         "must have 2 to 5 dimensions"),
    ],
)  # fmt: skip
def test_what_an_operator_cannot_do_is_refused(kind, tensors, options, message):
    last = len(tensors) - 1
    inputs = [i for i, tensor in enumerate(tensors[:last]) if tensor.data is None]
    operator = Op(kind, list(range(last)), [last], options)
    # An object that is in `tensors` twice would be written once.
    tensors = [Tensor(**vars(tensor)) for tensor in tensors]
    with pytest.raises(ModelError) as caught:
        lower(read_graph(build_model(tensors, [operator], inputs, [last])))
    assert message in str(caught.value)
    assert caught.value.operator == 0
