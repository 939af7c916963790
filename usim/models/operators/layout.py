"""Weights and channels as the kernels read them: laid out here once, not on the chip each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from usim.models.operators.base import NewConstant, Node, Pointer
from usim.models.operators.scaling import Multipliers
from usim.models.quantization import largest_sums

WORD_BYTES = 4
SCRATCH_BYTES = 8176
"""What kernels use of the workspace: its first pool has 8 KiB, its own records included."""
_NARROW_LIMIT = 2**30
_PACKED_LIMIT = 2**23
_MAX_SHIFT = 31


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """kernels/common/requantize.h's records, int32 [channels, 4], and whether they are narrow."""

    records: npt.NDArray[np.int32]
    narrow: bool


@dataclass(frozen=True, slots=True, eq=False)
class GemmWeights:
    """Weights as kernels/common/gemm.h has them, int8 [column pairs, words, 2, 4], and how."""

    data: npt.NDArray[np.int8]
    packed: bool


def round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def gemm_weights(weights: npt.NDArray[np.int8], *, pack: bool = True) -> GemmWeights:
    """Weights [columns, depth], packed if they can and may be."""
    columns, depth = weights.shape
    padded = np.zeros((round_up(columns, 2), round_up(depth, WORD_BYTES)), np.int8)
    padded[:columns, :depth] = weights
    # [pairs, words, the pair's columns, bytes]
    words = padded.reshape(len(padded) // 2, 2, -1, WORD_BYTES).transpose(0, 2, 1, 3)
    both = words[:, :, 0].astype(np.int32) + 256 * words[:, :, 1].astype(np.int32)
    sums = largest_sums(padded[1::2], 0)
    if not pack or both.min() < np.iinfo(np.int16).min or sums.max() >= _PACKED_LIMIT:
        return GemmWeights(np.ascontiguousarray(words), packed=False)
    packed = np.ascontiguousarray(both[:, :, [0, 2, 1, 3]].astype("<i2")).view(np.int8)
    return GemmWeights(packed.reshape(words.shape), packed=True)


def four_gate_weights(weights: GemmWeights) -> npt.NDArray[np.int8]:
    """Weights of four gates a unit as kernels/lstm has them: [units, words, 2 pairs, 8 bytes]."""
    pairs = weights.data.reshape(len(weights.data) // 2, 2, -1, 2 * WORD_BYTES)
    return np.ascontiguousarray(pairs.transpose(0, 2, 1, 3))


def four_channel_weights(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int16]:
    """[channels, taps] as depthwise_conv_2d_padded has them: [fours of channels, taps, 4]."""
    channels, taps = weights.shape
    padded = np.zeros((round_up(channels, 4), taps), np.int16)
    padded[:channels] = weights
    fours = padded.reshape(-1, 4, taps).transpose(0, 2, 1)
    return np.ascontiguousarray(fours[:, :, [0, 2, 1, 3]])


def several_gemm_weights(phases: Sequence[npt.NDArray[np.int8]]) -> GemmWeights:
    """Several matrices [columns, depth], some maybe empty, in a row: all packed or none."""
    filled = [phase for phase in phases if phase.size]
    stored = [gemm_weights(phase) for phase in filled]
    packed = all(item.packed for item in stored)
    if not packed:
        stored = [gemm_weights(phase, pack=False) for phase in filled]
    return GemmWeights(np.concatenate([item.data.reshape(-1) for item in stored]), packed)


def phase_channels(
    phases: Sequence[npt.NDArray[np.int8]],
    bias: npt.NDArray[np.int32],
    zero_point: int,
    scaling: Multipliers,
) -> Channels:
    """Records for gemm.h of matrices that share biases and multipliers, behind each other."""
    every = np.concatenate(phases, axis=1)
    # No phase's sums are larger than those of all weights.
    common = folded_channels(every, bias, zero_point, scaling, 2)
    records = np.tile(common.records, (len(phases), 1, 1))
    for phase, own in zip(phases, records, strict=True):
        own[:, 0] = folded_channels(phase, bias, zero_point, scaling, 2).records[:, 0]
    return Channels(records, common.narrow)


def four_column_weights(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """[columns, depth] as kernels/common/dot_s16.h has them: [fours, words, 4 columns, 4 bytes]."""
    columns, depth = weights.shape
    padded = np.zeros((round_up(columns, 4), round_up(depth, WORD_BYTES)), np.int8)
    padded[:columns, :depth] = weights
    words = padded.reshape(len(padded) // 4, 4, -1, WORD_BYTES).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(words[..., [0, 2, 1, 3]])


def four_column_reals(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """[columns, depth] as fully_connected_f32 has them: [fours of columns, depth, 4]."""
    padded = padded_rows(weights, 4)
    return np.ascontiguousarray(padded.reshape(-1, 4, weights.shape[1]).transpose(0, 2, 1))


def padded_rows(values: npt.NDArray[Any], multiple: int) -> npt.NDArray[Any]:
    """An array with zeros behind it, up to a multiple of so many along its first axis."""
    filling = -len(values) % multiple
    return np.pad(values, ((0, filling), *((0, 0) for _ in values.shape[1:])))


def _channels_of(
    weights: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    zero_point: int,
    scaling: Multipliers,
) -> Channels:
    multiplier, shift = (np.broadcast_to(values, bias.shape).copy() for values in scaling)
    sums = largest_sums(weights, zero_point) + np.abs(bias.astype(np.int64))
    # A multiplier of 0 makes 0 of everything, whatever the shift.
    shift[multiplier == 0] = -1
    narrow = bool(np.all(sums < _NARROW_LIMIT) and np.all((shift <= -1) & (shift >= -_MAX_SHIFT)))
    rounding = np.zeros_like(shift)
    if narrow:
        shift = -shift
        rounding = np.left_shift(1, shift - 1).astype(np.int32)
    return Channels(np.stack([bias, multiplier, rounding, shift], axis=1), narrow)


def folded_channels(
    weights: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    zero_point: int,
    scaling: Multipliers,
    multiple: int,
) -> Channels:
    """Records of kernels that do not subtract the input's zero point: it is in the biases.

    Their number is a multiple of `multiple`; repetitions of the last one fill up.
    """
    channels = _channels_of(weights, bias, zero_point, scaling)
    # Modulo 2^32, as the sums on the chip are: only their end has to fit int32.
    folded = bias.astype(np.int64) - zero_point * weights.sum(axis=1, dtype=np.int64)
    channels.records[:, 0] = folded.astype(np.uint32).view(np.int32)
    filling = -len(channels.records) % multiple
    return Channels(np.pad(channels.records, ((0, filling), (0, 0)), mode="edge"), channels.narrow)


def weighted_pointers(
    node: Node, weights: npt.NDArray[np.int8] | npt.NDArray[np.int16], channels: Channels
) -> tuple[Pointer, ...]:
    """The parameters of a kernel with weights and channel records."""
    return (
        Pointer("input", "const int8_t", node.input(0).index),
        Pointer("weights", f"const {weights.dtype}_t", NewConstant(weights)),
        Pointer("channels", "const int32_t", NewConstant(channels.records)),
        Pointer("output", "int8_t", node.output().index),
    )
