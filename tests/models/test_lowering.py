"""Lowering: what the session gets for a graph, and what the generated C depends on."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_builder import Op, Tensor, build_model

from usim.errors import ModelError
from usim.models import Activation, ConstantRef, lower, read_graph

DENSE = {"FusedActivationFunction": 0}


def dense_model(weights: np.ndarray, scale: float = 0.1, layers: int = 2) -> bytes:
    """Equal fully connected layers, a RESHAPE between the last two, a bias in the first only."""
    n = len(weights)
    tensors = [Tensor([1, n], scale, 3, name="in")]
    operators = []
    source = 0
    for layer in range(layers):
        base = len(tensors)
        tensors += [
            Tensor([n, n], 0.5, 0, data=weights, name="w"),
            Tensor([1, n], scale, 3, name="out"),
            Tensor([1, 1, n], scale, 3, name="view"),
        ]
        inputs = [source, base]
        if layer == 0:
            tensors.append(Tensor([n], scale * 0.5, 0, "int32", data=np.arange(n, dtype=np.int32)))
            inputs.append(base + 3)
        operators += [Op("FULLY_CONNECTED", inputs, [base + 1], DENSE)]
        operators += [Op("RESHAPE", [base + 1], [base + 2])]
        source = base + 2
    return build_model(tensors, operators, [0], [source])


def weights(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-127, 128, (8, 8), dtype=np.int8)


def test_source_depends_on_shapes_and_quantisation_but_not_on_weights():
    one, other = (lower(read_graph(dense_model(weights(seed)))) for seed in (1, 2))
    assert one.source == other.source
    assert lower(read_graph(dense_model(weights(1), scale=0.2))).source == one.source, (
        "scales that only change the multipliers are data, too"
    )
    assert lower(read_graph(dense_model(weights(1)[:4, :4].copy()))).source != one.source


def test_equal_layers_share_one_function_and_have_their_own_constants():
    lowered = lower(read_graph(dense_model(weights(1), layers=3)))
    assert [call.function for call in lowered.calls] == ["layer_00_fully_connected"] * 3
    assert lowered.source.count("int32_t layer_") == 1
    assert [call.index for call in lowered.calls] == [0, 2, 4]
    names = [constant.name for constant in lowered.constants]
    assert len(set(names)) == len(names)


def test_reshape_needs_no_call_and_no_memory():
    lowered = lower(read_graph(dense_model(weights(1))))
    first, second = lowered.calls
    assert first.arguments[-1].offset == second.arguments[0].offset
    assert second.arguments[0].shape == (1, 1, 8)
    assert lowered.plan.size_bytes == 2 * 16
    assert lowered.outputs[0].offset == second.arguments[-1].offset


def test_arguments_follow_the_c_functions_parameters():
    lowered = lower(read_graph(dense_model(weights(1))))
    assert (
        "int32_t layer_00_fully_connected(const int8_t *input, const int8_t *weights, "
        "const int32_t *channels, int8_t *output) {"
    ) in lowered.source
    call = lowered.calls[0]
    kinds = [type(argument) for argument in call.arguments]
    assert kinds == [Activation, *[ConstantRef] * 2, Activation]
    data = [lowered.constants[argument.index].data for argument in call.arguments[1:3]]
    assert [item.dtype for item in data] == [np.int8, np.int32]
    # For each pair of units and four inputs 0, 2, 1, 3: first + 256 * second.
    assert data[0].shape == (4, 2, 2, 4)
    both = data[0].reshape(4, 2, 8).view("<i2").astype(int)[:, :, [0, 2, 1, 3]].reshape(4, 8)
    first = (both + 128) % 256 - 128
    np.testing.assert_array_equal(first, weights(1)[0::2])
    np.testing.assert_array_equal((both - first) // 256, weights(1)[1::2])
    # The input's zero point, 3, times each unit's weights is taken off its bias.
    folded = np.arange(8) - 3 * weights(1).astype(np.int32).sum(axis=1)
    np.testing.assert_array_equal(data[1][:, 0], folded)
    # 0.1 * 0.5 / 0.1 = 0.5 = 2^30 * 2^(0 - 31)
    assert data[1][:, 1].tolist() == [2**30] * 8
    assert data[1][:, 3].tolist() == [0] * 8


@pytest.mark.parametrize(
    ("value", "count", "packed"),
    [(-127, 8, 1), (-128, 8, 0), (127, 520, 0), (127, 512, 1)],
    ids=["fits", "pair beyond int16", "sums beyond 24 bits", "largest sums"],
)
def test_weights_are_packed_where_sums_can_be_told_apart(value, count, packed):
    lowered = lower(read_graph(dense_model(np.full((count, count), value, np.int8), layers=1)))
    assert f".packed = {packed}," in lowered.source


def test_missing_bias_becomes_zeros():
    lowered = lower(read_graph(dense_model(weights(1))))
    channels = lowered.constants[lowered.calls[1].arguments[2].index].data
    folded = -3 * weights(1).astype(np.int32).sum(axis=1)
    np.testing.assert_array_equal(channels[:, 0], folded)


def test_macs_and_shapes_are_told_by_call():
    lowered = lower(read_graph(dense_model(weights(1), layers=3)))
    assert [call.macs for call in lowered.calls] == [64, 64, 64]
    assert lowered.macs == 192
    assert [call.output_shape for call in lowered.calls] == [(1, 8)] * 3
    assert lowered.constant_bytes == 3 * (64 + 8 * 16)


def test_lowering_is_deterministic():
    one, other = (lower(read_graph(dense_model(weights(1)))) for _ in range(2))
    assert (one.source, one.plan, one.calls) == (other.source, other.plan, other.calls)


def one_operator(kind, shapes, scales, options):
    tensors = [
        Tensor(shape, *scale, name=f"t{i}")
        for i, (shape, scale) in enumerate(zip(shapes, scales, strict=True))
    ]
    last = len(tensors) - 1
    return build_model(
        tensors, [Op(kind, list(range(last)), [last], options)], [*range(last)], [last]
    )


POOL = {"StrideH": 1, "StrideW": 1, "FilterHeight": 2, "FilterWidth": 2, "Padding": 1}


@pytest.mark.parametrize(
    ("kind", "shapes", "scales", "options", "message"),
    [
        ("ADD", ([4], [3], [4]), [(1.0, 0)] * 3, {}, "[4] and [3] cannot be broadcast"),
        ("ADD", ([4], [4], [4]), [(1.0, 0), (1.0, 0), (1e-7, 0)], {}, "is too small for that of"),
        ("SOFTMAX", ([4], [4]), [(1.0, 0), (1 / 256, 0)], {"Beta": 1.0}, "must have scale 1/256"),
        ("SOFTMAX", ([4], [4]), [(1.0, 0), (1 / 256, -128)], {"Beta": 0.0}, "beta is 0.0"),
        ("SOFTMAX", ([4], [4]), [(1e-9, 0), (1 / 256, -128)], {"Beta": 1.0}, "is too small"),
        ("SOFTMAX", ([5000], [5000]), [(1.0, 0), (1 / 256, -128)], {"Beta": 1.0}, "at most 4095"),
        ("MAX_POOL_2D", ([1, 1, 1, 1], [1, 1, 1, 1]), [(1.0, 0)] * 2, POOL, "window of 2 does not"),
        (
            "MAX_POOL_2D",
            ([1, 2, 2, 1], [1, 1, 1, 1]),
            [(1.0, 0), (1.0, 1)],
            POOL,
            "must share scale and zero point",
        ),
        (
            "AVERAGE_POOL_2D",
            ([1, 2, 2, 1], [1, 1, 1, 1]),
            [(1.0, 0)] * 2,
            {**POOL, "FilterHeight": 0},
            "a pooling window of 0",
        ),
        ("RESHAPE", ([4], [5]), [(1.0, 0)] * 2, {}, "does not become"),
    ],
)
def test_what_a_kernel_cannot_do_is_refused_by_name(kind, shapes, scales, options, message):
    data = one_operator(kind, shapes, scales, options)
    with pytest.raises(ModelError) as caught:
        lower(read_graph(data, "net.tflite"))
    assert str(caught.value).startswith(f"net.tflite: operator 0 ({kind}): ")
    assert message in str(caught.value)
    assert caught.value.operator == 0


@pytest.mark.parametrize(
    ("depth", "window", "kernel"),
    [
        (1, 6, "conv_2d_blocked"),
        (1, 5, "depthwise_conv_2d_padded"),
        (2, 6, "depthwise_conv_2d_padded"),
    ],
)
def test_a_large_depthwise_convolution_of_a_single_channel_is_a_convolution(depth, window, kernel):
    weights = np.ones((1, window, window, 8), np.int8)
    tensors = [
        Tensor([1, 9, 9, depth], 0.1),
        Tensor(list(weights.shape), 0.1, data=weights),
        Tensor([1, 9, 9, 8], 0.1),
    ]
    options = {"StrideH": 1, "StrideW": 1, "DepthMultiplier": 8 // depth}
    options |= {"DilationHFactor": 1, "DilationWFactor": 1}
    model = build_model(tensors, [Op("DEPTHWISE_CONV_2D", [0, 1], [2], options)], [0], [2])
    assert f'"{kernel}/{kernel}.h"' in lower(read_graph(model)).source
