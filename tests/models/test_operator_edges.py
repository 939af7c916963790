"""Corners of the arithmetic that random cases hardly ever reach, against TensorFlow Lite Micro."""

from __future__ import annotations

import numpy as np
import pytest
from host_model import HostModel, build_library
from tflite_builder import Op, Tensor, build_model
from tflm_reference import run_reference

from usim.models import lower, read_graph

IN_SCALE, OUT_SCALE = 0.0234375 * 1.1, 0.037


def agree(model: bytes, folder, *inputs: np.ndarray) -> np.ndarray:
    lowered = lower(read_graph(model))
    host = HostModel(lowered, build_library(lowered.source, folder))
    host.run(*inputs)
    result = host.result()[0]
    np.testing.assert_array_equal(result, run_reference(model, *inputs)[0])
    return result


def tipping_sums(weight_scale: float) -> np.ndarray:
    """Accumulators so close to a rounding boundary of the output that the last bits of the real
    multiplier decide: the boundaries' nearest integers."""
    real = np.float64(np.float32(IN_SCALE)) * weight_scale / np.float64(np.float32(OUT_SCALE))
    boundaries = (np.arange(-127, 127) + 0.5) / real
    return np.concatenate([np.floor(boundaries), np.ceil(boundaries)]).astype(np.int32)


def bias_only_model(kind: str, weight_scale: float, *, per_channel: bool) -> tuple[bytes, int]:
    """Zero weights, so that the biases are the accumulators."""
    sums = tipping_sums(weight_scale)
    channels = len(sums)
    scales = [weight_scale] * channels if per_channel else weight_scale
    dense = kind == "FULLY_CONNECTED"
    weights = np.zeros((channels, 1) if dense else (channels, 1, 1, 1), np.int8)
    product = float(np.float32(IN_SCALE) * np.float32(weight_scale))
    tensors = [
        Tensor([1, 1] if dense else [1, 1, 1, 1], IN_SCALE, 0),
        Tensor(weights.shape, scales, 0, data=weights),
        Tensor([channels], product, 0, "int32", data=sums),
        Tensor([1, channels] if dense else [1, 1, 1, channels], OUT_SCALE, 0),
    ]
    options = {} if dense else {"StrideH": 1, "StrideW": 1}
    if not dense:
        options |= {"DilationHFactor": 1, "DilationWFactor": 1}
    return build_model(tensors, [Op(kind, [0, 1, 2], [3], options)], [0], [3]), channels


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["FULLY_CONNECTED", "CONV_2D"])
def test_multiplier_is_exact_to_its_last_bit(tmp_path, kind, per_channel, seed):
    weight_scale = float(np.float32(np.random.default_rng(seed).uniform(1, 2) * 2e-6))
    model, _ = bias_only_model(kind, weight_scale, per_channel=per_channel)
    shape = lower(read_graph(model)).inputs[0].shape
    result = agree(model, tmp_path, np.zeros(shape, np.int8))
    assert len(np.unique(result)) > 200


@pytest.mark.parametrize("depth", [2, 100, 511])
def test_softmax_of_equal_and_of_nearly_equal_inputs(tmp_path, depth):
    model = softmax_model(depth, 1 / 4096)
    agree(model, tmp_path, np.zeros((1, depth), np.int8))
    agree(model, tmp_path, np.arange(depth, dtype=np.uint8).view(np.int8).reshape(1, depth))


def test_softmax_whose_sum_reaches_512_is_zero_everywhere(tmp_path):
    # TensorFlow Lite Micro shifts by 32 here, which C++ leaves open; the true value rounds to 0.
    lowered = lower(read_graph(softmax_model(1000, 1 / 4096)))
    host = HostModel(lowered, build_library(lowered.source, tmp_path))
    host.run(np.zeros((1, 1000), np.int8))
    np.testing.assert_array_equal(host.result()[0], np.full((1, 1000), -128))


@pytest.mark.parametrize("scale", [1e-3, 0.03, 0.25, 1.0, 30.0, 1e9])
def test_softmax_of_every_difference(tmp_path, scale):
    rows = np.stack([np.full(256, 127), np.arange(-128, 128)], axis=1).astype(np.int8)
    agree(softmax_model(2, scale, rows=256), tmp_path, rows)


def softmax_model(depth: int, scale: float, rows: int = 1) -> bytes:
    tensors = [Tensor([rows, depth], scale, 0), Tensor([rows, depth], 1 / 256, -128)]
    return build_model(tensors, [Op("SOFTMAX", [0], [1], {"Beta": 1.0})], [0], [1])


def test_add_of_every_pair_of_values(tmp_path):
    left, right = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    shape = [256, 256]
    tensors = [Tensor(shape, 0.021, 5), Tensor(shape, 0.034, -77), Tensor(shape, 0.04, -3)]
    model = build_model(tensors, [Op("ADD", [0, 1], [2], {})], [0, 1], [2])
    agree(model, tmp_path, left.astype(np.int8), right.astype(np.int8))


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_window_with_all_its_taps_in_the_padding(tmp_path, kind):
    # Dilation 3 on a 1 x 1 image leaves one tap of nine, and on 2 x 2 none for some rows.
    for size in (1, 2):
        weights = np.full((1, 4, 4, 1), 3, np.int8)
        tensors = [
            Tensor([1, size, size, 1], 1.0, 7),
            Tensor([1, 4, 4, 1], 1.0, 0, data=weights),
            Tensor([1, size, size, 1], 9.0, -7),
        ]
        options = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 3, "DilationWFactor": 3}
        if kind == "DEPTHWISE_CONV_2D":
            options["DepthMultiplier"] = 1
        model = build_model(tensors, [Op(kind, [0, 1], [2], options)], [0], [2])
        folder = tmp_path / str(size)
        folder.mkdir()
        agree(model, folder, np.full((1, size, size, 1), 100, np.int8))


@pytest.mark.parametrize(
    ("kind", "image", "depth", "kernel"),
    [
        ("CONV_2D", (30, 30), 9, "conv_2d_blocked"),  # one window at a time
        ("CONV_2D", (30, 30), 10, "conv_2d"),
        ("CONV_2D", (1, 1), 9000, "conv_2d_pointwise"),
        ("DEPTHWISE_CONV_2D", (30, 30), 9, "depthwise_conv_2d_padded"),  # channels in blocks
        ("DEPTHWISE_CONV_2D", (60, 60), 4, "depthwise_conv_2d"),
    ],
)
def test_window_as_large_as_the_scratch_memory_and_larger(tmp_path, kind, image, depth, kernel):
    channels = 3 if kind == "CONV_2D" else depth
    rng = np.random.default_rng(depth)
    shape = (channels, *image, depth) if kind == "CONV_2D" else (1, *image, depth)
    weights = rng.integers(-127, 128, shape, dtype=np.int8)
    tensors = [
        Tensor([1, *image, depth], 0.1, 5),
        Tensor(shape, 0.1, 0, data=weights),
        Tensor([1, *image, channels], 60.0, -7),
    ]
    options = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    if kind == "DEPTHWISE_CONV_2D":
        options["DepthMultiplier"] = 1
    model = build_model(tensors, [Op(kind, [0, 1], [2], options)], [0], [2])
    assert f" layer_00_{kernel}(" in lower(read_graph(model)).source
    result = agree(model, tmp_path, rng.integers(-128, 128, (1, *image, depth), dtype=np.int8))
    assert len(np.unique(result)) > 1
