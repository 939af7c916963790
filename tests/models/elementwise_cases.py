"""Random models of elementwise and reducing operators: broadcasting, axes, scales to saturation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from case_values import Rng, activation, pick, scale, zero_point
from tflite_builder import Op, Tensor, build_model

FUSED = {"ADD", "SUB", "MUL"}


def times(rng: Rng, value: float, *factors: float) -> float:
    """A scale that is one of some multiples of another, or so that some results are nearly ties:
    there the last bits of a multiplier show."""
    factor = rng.choice(factors)
    if rng.random() < 0.3:
        factor = rng.integers(1, 256) / (rng.integers(0, 128) + 0.5)
    return float(np.float32(value * factor))


def random_shape(rng: Rng, longest: int = 9) -> list[int]:
    return [int(rng.integers(1, longest)) for _ in range(int(rng.integers(1, 6)))]


def broadcast_shapes(rng: Rng) -> tuple[list[int], list[int], list[int]]:
    """The shapes of two operands and their result; half of them need no broadcasting."""
    shape = random_shape(rng, 6)
    if rng.random() < 0.5:
        return shape, shape, shape
    pair: list[list[int]] = [list(shape), list(shape)]
    for axis in range(len(shape)):
        repeated = pick(rng, -1, -1, 0, 1)
        if repeated >= 0:
            pair[repeated][axis] = 1
    shorter = pick(rng, 0, 1)
    while pair[shorter][:1] == [1] and rng.random() < 0.5:
        pair[shorter] = pair[shorter][1:]
    left, right = pair
    result = np.broadcast_shapes(tuple(left), tuple(right))
    return left, right, [int(extent) for extent in result]


def output_scale(rng: Rng, kind: str, left: float, right: float) -> float:
    if kind == "MUL":
        # Below 1e-8, the 6 of RELU6 is no int32 any more.
        return max(times(rng, left * right * 100, 1e-4, 0.1, 1, 1, 1, 10, 1000), 1e-8)
    if kind == "SQUARED_DIFFERENCE":
        widest = max(left, right)
        return max(times(rng, widest**2 * 100, 0.01, 0.1, 1, 1, 10), widest**2 / 4000)
    return times(rng, left + right, 0.01, 0.1, 0.6, 1, 1, 3)


def elementwise(rng: Rng, kind: str) -> bytes:
    left, right, result = broadcast_shapes(rng)
    left_scale = scale(rng, 1e-3, 1)
    right_scale = times(rng, left_scale, 1.0, 1.0, 0.3, 1.7, 100, 0.001)
    tensors = [
        Tensor(left, left_scale, zero_point(rng)),
        Tensor(right, right_scale, zero_point(rng)),
        Tensor(result, output_scale(rng, kind, left_scale, right_scale), zero_point(rng)),
    ]
    inputs = [0, 1]
    constant = pick(rng, 0, 1, -1, -1, -1, -1)
    if constant >= 0:
        shape = tensors[constant].shape
        tensors[constant].data = rng.integers(-128, 128, shape, dtype=np.int8)
        inputs.remove(constant)
    options = {"FusedActivationFunction": activation(rng)} if kind in FUSED else {}
    return build_model(tensors, [Op(kind, [0, 1], [2], options)], inputs, [2])


def unary(rng: Rng, kind: str) -> bytes:
    shape = random_shape(rng)
    source = Tensor(shape, scale(rng), zero_point(rng))
    target = Tensor(shape, times(rng, source.scale, 0.02, 0.3, 1, 1, 1.3, 50), zero_point(rng))
    options = {}
    if kind == "RELU6":
        target = Tensor(shape, source.scale, source.zero_point)
    if kind == "RSQRT":
        # Of positive numbers, as TensorFlow Lite Micro demands.
        source.zero_point = -128
        target.scale = times(rng, source.scale**-0.5, 0.001, 0.01, 0.1)
    if kind == "LOGISTIC":
        target = Tensor(shape, 1 / 256, -128)
    if kind == "L2_NORMALIZATION":
        depth = pick(rng, 1, 3, 64, 700)
        shape = [*(shape[-4:-1] if depth <= 64 else [1, 2]), depth]  # a chip has to hold it, too
        source, target = Tensor(shape, source.scale, source.zero_point), Tensor(shape, 1 / 128, 0)
    if kind == "TANH":
        target = Tensor(shape, 1 / 128, 0)
    if kind == "LEAKY_RELU":
        options["Alpha"] = float(np.float32(rng.choice([0.01, 0.1, 0.3, 1.0, 2.5, 0.0, -0.2])))
    return build_model([source, target], [Op(kind, [0], [1], options)], [0], [1])


def quantize(rng: Rng, kind: str) -> bytes:
    shape = random_shape(rng)
    source_type, target_type = [
        ("float32", "int8"),
        ("int8", "int8"),
        ("uint8", "int8"),
        ("int8", "uint8"),
    ][int(rng.integers(4))]
    target_scale = scale(rng)
    source_scale = times(rng, target_scale, 1, 1, 0.01, 0.5, 0.9, 3, 700)
    shifts = {"int8": 0, "uint8": 128}
    source = Tensor(shape, dtype=source_type)
    if source_type != "float32":
        source.scale, source.zero_point = source_scale, zero_point(rng) + shifts[source_type]
    target = Tensor(shape, target_scale, zero_point(rng) + shifts[target_type], target_type)
    return build_model([source, target], [Op(kind, [0], [1], {})], [0], [1])


def float_unary(rng: Rng, kind: str) -> bytes:
    shape = random_shape(rng)
    tensors = [Tensor(shape, dtype="float32"), Tensor(shape, dtype="float32")]
    return build_model(tensors, [Op(kind, [0], [1], {})], [0], [1])


def dequantize(rng: Rng, kind: str) -> bytes:
    shape = random_shape(rng)
    tensors = [
        Tensor(shape, scale(rng, 1e-6, 1e6), zero_point(rng)),
        Tensor(shape, dtype="float32"),
    ]
    return build_model(tensors, [Op(kind, [0], [1], {})], [0], [1])


def reduction(rng: Rng, kind: str) -> bytes:
    shape = random_shape(rng)
    rank = len(shape)
    chosen = rng.permutation(rank)[: int(rng.integers(1, rank + 1))]
    axes = [int(axis) - pick(rng, 0, rank) for axis in chosen]
    if rng.random() < 0.1:
        axes.append(axes[0])
    keep = bool(pick(rng, 0, 1))
    reduced = {axis % rank for axis in axes}
    result = [1 if i in reduced else n for i, n in enumerate(shape) if keep or i not in reduced]
    source = Tensor(shape, scale(rng), zero_point(rng))
    target = Tensor(result, source.scale, source.zero_point)
    if kind == "MEAN":
        factor = times(rng, source.scale, 1, 1, 0.5, 0.05, 0.001, 20, 1e-9)
        target = Tensor(result, factor, zero_point(rng))
    if kind == "SUM":
        factor = times(rng, source.scale, 0.5, 1, 2, 8, 100)
        target = Tensor(result, factor, zero_point(rng))
    tensors = [
        source,
        Tensor([len(axes)], dtype="int32", data=np.array(axes, np.int32)),
        target,
    ]
    return build_model(tensors, [Op(kind, [0, 1], [2], {"KeepDims": keep})], [0], [2])


def arg_max(rng: Rng, kind: str) -> bytes:
    shape = random_shape(rng)
    axis = int(rng.integers(len(shape)))
    named = axis - pick(rng, 0, len(shape))
    tensors = [
        Tensor(shape, scale(rng), zero_point(rng)),
        Tensor([1] if pick(rng, 0, 1) else [], dtype="int32", data=np.array(named, np.int32)),
        Tensor(shape[:axis] + shape[axis + 1 :], dtype="int32"),
    ]
    return build_model(tensors, [Op(kind, [0, 1], [2], {"OutputType": 2})], [0], [2])


def batch_matmul(rng: Rng, kind: str) -> bytes:
    left_batch, right_batch, batch = broadcast_shapes(rng)
    left_batch, right_batch, batch = left_batch[-3:], right_batch[-3:], batch[-3:]
    if rng.random() < 0.3:
        left_batch = right_batch = batch = []
    rows, depth, columns = (int(rng.integers(1, 12)) for _ in range(3))
    adjoint = [bool(pick(rng, 0, 1)), bool(pick(rng, 0, 1))]
    left = [*left_batch, *([depth, rows] if adjoint[0] else [rows, depth])]
    right = [*right_batch, *([columns, depth] if adjoint[1] else [depth, columns])]
    scales = scale(rng), scale(rng)
    product = scales[0] * scales[1] * 74 * 74 * depth**0.5 / 50
    tensors = [
        Tensor(left, scales[0], zero_point(rng)),
        Tensor(right, scales[1], zero_point(rng)),
        Tensor(
            [*batch, rows, columns],
            times(rng, product, 0.001, 0.1, 1, 1, 1, 10, 1000),
            zero_point(rng),
        ),
    ]
    inputs = [0, 1]
    if rng.random() < 0.3:
        tensors[1].data = rng.integers(-128, 128, right, dtype=np.int8)
        inputs = [0]
    options = {"AdjX": adjoint[0], "AdjY": adjoint[1]}
    return build_model(tensors, [Op(kind, [0, 1], [2], options)], inputs, [2])


ELEMENTWISE_CASES: dict[str, Callable[[Rng, str], bytes]] = {
    "ABS": unary,
    "ADD": elementwise,
    "ARG_MAX": arg_max,
    "BATCH_MATMUL": batch_matmul,
    "DEQUANTIZE": dequantize,
    "ELU": unary,
    "HARD_SWISH": unary,
    "L2_NORMALIZATION": unary,
    "LEAKY_RELU": unary,
    "LOGISTIC": unary,
    "MAXIMUM": elementwise,
    "MEAN": reduction,
    "MINIMUM": elementwise,
    "MUL": elementwise,
    "NEG": float_unary,
    "PRELU": elementwise,
    "QUANTIZE": quantize,
    "REDUCE_MAX": reduction,
    "REDUCE_MIN": reduction,
    "RELU": unary,
    "RELU6": unary,
    "RSQRT": unary,
    "SQUARE": float_unary,
    "SQUARED_DIFFERENCE": elementwise,
    "SUB": elementwise,
    "SUM": reduction,
    "TANH": unary,
}
