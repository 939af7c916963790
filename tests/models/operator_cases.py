"""Random one-operator models: shapes, strides, padding, zero points, scales up to saturation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from case_values import (
    SAME,
    VALID,
    Rng,
    activation,
    bias,
    extent,
    output_scale,
    pick,
    scale,
    weight_scales,
    weights,
    zero_point,
)
from elementwise_cases import ELEMENTWISE_CASES
from lstm_cases import lstm
from movement_cases import MOVEMENT_CASES
from parting_cases import PARTING_CASES
from tflite_builder import Op, Tensor, build_model
from typed_cases import TYPED_CASES


def windowed(rng: Rng, *, dilated: bool) -> tuple[list[int], list[int], list[int], list[int], int]:
    """Image, window, stride, dilation (each height, width) and padding, that fit together."""
    window = [int(rng.integers(1, 6)), int(rng.integers(1, 6))]
    stride = [pick(rng, 1, 1, 2, 3), pick(rng, 1, 1, 2, 3)]
    dilation = [pick(rng, 1, 1, 2, 3), pick(rng, 1, 1, 2, 3)] if dilated else [1, 1]
    padding = pick(rng, SAME, VALID)
    spans = [(window[i] - 1) * dilation[i] + 1 for i in (0, 1)]
    smallest = spans if padding == VALID else [1, 1]
    image = [smallest[i] + int(rng.integers(0, 9)) for i in (0, 1)]
    return image, window, stride, dilation, padding


def convolution(rng: Rng, kind: str) -> bytes:
    image, window, stride, dilation, padding = windowed(rng, dilated=True)
    depth, batches = pick(rng, 1, 2, 3, 4, 8, 17), pick(rng, 1, 1, 2)
    if kind == "CONV_2D":
        groups = pick(rng, 1, 1, 2, 3)
        channels = int(rng.integers(1, 14)) if groups == 1 else groups * int(rng.integers(1, 6))
        shape, axis, taps = (channels, *window, depth), 0, window[0] * window[1] * depth
        depth, extra = depth * groups, {}
    else:
        depth_multiplier = pick(rng, 1, 1, 1, 2, 3)
        channels = depth * depth_multiplier
        shape, axis, taps = (1, *window, channels), 3, window[0] * window[1]
        extra = {"DepthMultiplier": depth_multiplier}
    in_scale, w_scale = scale(rng), scale(rng)
    out = [extent(image[i], window[i], stride[i], dilation[i], padding) for i in (0, 1)]
    options = {
        "Padding": padding,
        "StrideH": stride[0],
        "StrideW": stride[1],
        "DilationHFactor": dilation[0],
        "DilationWFactor": dilation[1],
        "FusedActivationFunction": activation(rng),
        **extra,
    }
    tensors = [
        Tensor([batches, *image, depth], in_scale, zero_point(rng)),
        Tensor(
            shape, weight_scales(rng, channels, w_scale), 0, axis=axis, data=weights(rng, shape)
        ),
        Tensor(
            [batches, *out, channels],
            output_scale(rng, taps, in_scale * w_scale),
            zero_point(rng),
        ),
    ]
    inputs = [0, 1]
    if rng.random() < 0.8:
        tensors.append(Tensor([channels], in_scale * w_scale, 0, "int32", data=bias(rng, channels)))
        inputs.append(3)
    return build_model(tensors, [Op(kind, inputs, [2], options)], [0], [2])


def fully_connected(rng: Rng, kind: str) -> bytes:
    depth, units, batches = int(rng.integers(1, 70)), int(rng.integers(1, 14)), pick(rng, 1, 1, 3)
    in_scale, w_scale = scale(rng), scale(rng)
    tensors = [
        Tensor([batches, depth], in_scale, zero_point(rng)),
        Tensor(
            [units, depth], weight_scales(rng, units, w_scale), 0, data=weights(rng, (units, depth))
        ),
        Tensor([batches, units], output_scale(rng, depth, in_scale * w_scale), zero_point(rng)),
    ]
    inputs = [0, 1]
    if rng.random() < 0.8:
        product = float(np.float32(in_scale) * np.float32(w_scale))
        tensors.append(Tensor([units], product, 0, "int32", data=bias(rng, units)))
        inputs.append(3)
    options = {"FusedActivationFunction": activation(rng)}
    return build_model(tensors, [Op(kind, inputs, [2], options)], [0], [2])


def pooling(rng: Rng, kind: str) -> bytes:
    image, window, stride, dilation, padding = windowed(rng, dilated=False)
    channels, batches = pick(rng, 1, 2, 3, 4, 8, 17), pick(rng, 1, 1, 2)
    out = [extent(image[i], window[i], stride[i], dilation[i], padding) for i in (0, 1)]
    quantization = (scale(rng, 0.005, 0.2), zero_point(rng))
    options = {
        "Padding": padding,
        "StrideH": stride[0],
        "StrideW": stride[1],
        "FilterHeight": window[0],
        "FilterWidth": window[1],
        "FusedActivationFunction": activation(rng),
    }
    tensors = [
        Tensor([batches, *image, channels], *quantization),
        Tensor([batches, *out, channels], *quantization),
    ]
    return build_model(tensors, [Op(kind, [0], [1], options)], [0], [1])


def softmax(rng: Rng, kind: str) -> bytes:
    # Many rows, as a wrong last bit inside shows in one output of thousands.
    shape = [pick(rng, 1, 4, 500), int(rng.integers(1, 40))]
    if rng.random() < 0.1:
        shape = [1, 400]
    tensors = [Tensor(shape, scale(rng, 1e-3, 3), zero_point(rng)), Tensor(shape, 1 / 256, -128)]
    beta = float(rng.choice([1.0, 1.0, 0.5, 3.0]))
    return build_model(tensors, [Op(kind, [0], [1], {"Beta": beta})], [0], [1])


CASES: dict[str, Callable[[Rng, str], bytes]] = {
    "AVERAGE_POOL_2D": pooling,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": convolution,
    "FULLY_CONNECTED": fully_connected,
    "MAX_POOL_2D": pooling,
    "SOFTMAX": softmax,
    **ELEMENTWISE_CASES,
    **MOVEMENT_CASES,
    **PARTING_CASES,
    **TYPED_CASES,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
}
