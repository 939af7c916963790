"""Random models of operators on int16 and float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from case_values import Rng, activation, bias, output_scale, pick, scale, weight_scales, weights
from elementwise_cases import broadcast_shapes, random_shape, times
from tflite_builder import Op, Tensor, build_model

INT32, INT64 = 2, 4
"""Types by their numbers in TFLite's schema."""


def zero_point_s16(rng: Rng) -> int:
    return pick(rng, 0, 0, 0, -32768, 32767, int(rng.integers(-32768, 32768)))


def reals(rng: Rng, shape: list[int] | tuple[int, ...]) -> np.ndarray:
    return rng.normal(0, float(rng.choice([0.1, 1, 1e4])), shape).astype(np.float32)


def fully_connected_s16(rng: Rng, _: str) -> bytes:
    depth, units, batches = int(rng.integers(1, 70)), int(rng.integers(1, 14)), pick(rng, 1, 1, 3)
    if rng.random() < 0.1:
        depth = pick(rng, 255, 256, 257, 700)
    in_scale, w_scale = scale(rng, 1e-6, 1e-2), scale(rng)
    spread = output_scale(rng, depth, in_scale * w_scale)
    # A single unit's scale would not be that of its bias.
    w_scales = weight_scales(rng, units, w_scale) if units > 1 else w_scale
    tensors = [
        Tensor([batches, depth], in_scale, zero_point_s16(rng), "int16"),
        Tensor([units, depth], w_scales, 0, data=weights(rng, (units, depth))),
        Tensor([batches, units], spread, zero_point_s16(rng), "int16"),
    ]
    inputs = [0, 1]
    bias_type = pick(rng, INT32, INT64, INT64)
    if rng.random() < 0.8:
        product = float(np.float32(in_scale) * np.float32(w_scale))
        values = bias(rng, units).astype(np.int64) * 256
        if bias_type == INT32:
            tensors.append(Tensor([units], product, 0, "int32", data=values.astype(np.int32)))
        else:
            tensors.append(Tensor([units], product, 0, "int64", data=values * 5000))
        inputs.append(3)
    options = {"FusedActivationFunction": activation(rng), "QuantizedBiasType": bias_type}
    return build_model(tensors, [Op("FULLY_CONNECTED", inputs, [2], options)], [0], [2])


def fully_connected_f32(rng: Rng, _: str) -> bytes:
    depth, units, batches = int(rng.integers(1, 70)), int(rng.integers(1, 14)), pick(rng, 1, 1, 3)
    tensors = [
        Tensor([batches, depth], dtype="float32"),
        Tensor([units, depth], dtype="float32", data=reals(rng, (units, depth))),
        Tensor([batches, units], dtype="float32"),
    ]
    inputs = [0, 1]
    if rng.random() < 0.8:
        tensors.append(Tensor([units], dtype="float32", data=reals(rng, (units,))))
        inputs.append(3)
    options = {"FusedActivationFunction": activation(rng)}
    return build_model(tensors, [Op("FULLY_CONNECTED", inputs, [2], options)], [0], [2])


def product(rng: Rng, dtype: str) -> bytes:
    shapes = broadcast_shapes(rng)
    if dtype == "float32":
        tensors = [Tensor(shape, dtype=dtype) for shape in shapes]
    else:
        left = scale(rng, 1e-5, 1e-2)
        right = times(rng, left, 1.0, 1.0, 0.3, 1.7, 100, 0.001)
        result = max(times(rng, left * right * 2**15, 1e-4, 0.1, 1, 1, 1, 10, 1000), 1e-8)
        tensors = [
            Tensor(shape, step, 0, dtype)
            for shape, step in zip(shapes, (left, right, result), strict=True)
        ]
    options = {"FusedActivationFunction": activation(rng)}
    return build_model(tensors, [Op("MUL", [0, 1], [2], options)], [0, 1], [2])


def mul_s16(rng: Rng, _: str) -> bytes:
    return product(rng, "int16")


def mul_f32(rng: Rng, _: str) -> bytes:
    return product(rng, "float32")


def quantised(rng: Rng, shape: list[int], dtype: str, step: float) -> Tensor:
    limits = np.iinfo(dtype)
    ends = [0, limits.min, limits.max, int(rng.integers(limits.min, limits.max + 1))]
    return Tensor(shape, step, pick(rng, *ends), dtype)


def quantize_s16(rng: Rng, _: str) -> bytes:
    pairs = [("float32", "int16"), ("int8", "int16"), ("int16", "int8"), ("int16", "int16")]
    source_type, target_type = pairs[int(rng.integers(len(pairs)))]
    shape, step = random_shape(rng), scale(rng)
    wider = times(rng, step, 1, 1, 0.01, 0.5, 0.9, 3, 700)
    source = Tensor(shape, dtype="float32")
    if source_type != "float32":
        source = quantised(rng, shape, source_type, wider)
    target = quantised(rng, shape, target_type, step)
    return build_model([source, target], [Op("QUANTIZE", [0], [1], {})], [0], [1])


def dequantize_wide(rng: Rng, _: str) -> bytes:
    shape, dtype = random_shape(rng), str(rng.choice(["int16", "uint8"]))
    tensors = [quantised(rng, shape, dtype, scale(rng, 1e-6, 1e6)), Tensor(shape, dtype="float32")]
    return build_model(tensors, [Op("DEQUANTIZE", [0], [1], {})], [0], [1])


TYPED_CASES: dict[str, Callable[[Rng, str], bytes]] = {
    "DEQUANTIZE of int16 and uint8": dequantize_wide,
    "FULLY_CONNECTED of float32": fully_connected_f32,
    "FULLY_CONNECTED of int16": fully_connected_s16,
    "MUL of float32": mul_f32,
    "MUL of int16": mul_s16,
    "QUANTIZE of int16": quantize_s16,
}
