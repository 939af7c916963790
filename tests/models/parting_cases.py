"""Random models of operators that stack, part, pick and rearrange tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from case_values import Rng, pick, scale, zero_point
from movement_cases import constant, element, extents, integers, moved, one_input
from tflite_builder import Op, Tensor, build_model


def pack(rng: Rng, kind: str) -> bytes:
    """PACK of several tensors, or UNPACK into several."""
    dtype = element(rng, ("int8", "int8", "int32", "float32"))
    shape, count = extents(rng, 0, 3), pick(rng, 1, 2, 3, 5)
    axis = int(rng.integers(0, len(shape) + 1))
    quantization = (scale(rng), zero_point(rng))
    parts = [moved(rng, shape, dtype, quantization) for _ in range(count)]
    whole = moved(rng, [*shape[:axis], count, *shape[axis:]], dtype, quantization)
    named = axis - pick(rng, 0, len(shape) + 1)
    several = list(range(count))
    if kind == "UNPACK":
        operator = Op(kind, [count], several, {"Num": count, "Axis": named})
        return build_model([*parts, whole], [operator], [count], several)
    inputs = list(several)
    if count > 1 and rng.random() < 0.3:
        constant(rng, parts[inputs.pop()])
    operator = Op(kind, several, [count], {"ValuesCount": count, "Axis": named})
    return build_model([*parts, whole], [operator], inputs, [count])


def split_v(rng: Rng, kind: str) -> bytes:
    dtype = element(rng, ("int8", "int8", "int16", "int32", "float32"))
    shape = extents(rng)
    axis, count = int(rng.integers(0, len(shape))), pick(rng, 1, 2, 3)
    parts = [int(rng.integers(1, 5)) for _ in range(count)]
    quantization = (scale(rng), zero_point(rng))
    tensors = [
        moved(rng, [*shape[:axis], part, *shape[axis + 1 :]], dtype, quantization)
        for part in [*parts, sum(parts)]
    ]
    given = list(parts)
    if rng.random() < 0.3:
        given[int(rng.integers(count))] = -1
    tensors += [integers(given), integers(np.array(axis - pick(rng, 0, len(shape))))]
    inputs = [count, count + 1, count + 2]
    operator = Op(kind, inputs, list(range(count)), {"NumSplits": count})
    return build_model(tensors, [operator], [count], list(range(count)))


def space_to_batch(rng: Rng, kind: str) -> bytes:
    """The geometry of SPACE_TO_BATCH_ND, in either direction."""
    dtype = element(rng, ("int8", "int8", "float32"))
    axes, channels, batches = pick(rng, 1, 2), pick(rng, 1, 3, 4, 8), pick(rng, 1, 1, 2)
    blocks = [pick(rng, 1, 2, 3, 4) for _ in range(axes)]
    parts = [int(rng.integers(1, 6)) for _ in range(axes)]
    borders, whole = [], []
    for block, part in zip(blocks, parts, strict=True):
        padded = block * part
        # TensorFlow Lite Micro's borders hold what was in its memory; see SpaceToBatchNd.
        cropped = kind == "BATCH_TO_SPACE_ND"
        before = cropped * int(rng.integers(0, min(padded, 5)))
        after = cropped * int(rng.integers(0, min(padded - before, 5)))
        borders.append([before, after])
        whole.append(padded - before - after)
    quantization = (scale(rng), zero_point(rng))
    images = batches * int(np.prod(blocks))
    large = moved(rng, [batches, *whole, channels], dtype, quantization)
    small = moved(rng, [images, *parts, channels], dtype, quantization)
    source, target = (large, small) if kind == "SPACE_TO_BATCH_ND" else (small, large)
    return one_input([source, integers(blocks), integers(borders), target], kind, {})


def depth_to_space(rng: Rng, kind: str) -> bytes:
    dtype = element(rng, ("int8", "int8", "float32"))
    block, channels = pick(rng, 1, 2, 3), pick(rng, 1, 2, 5)
    batches, height, width = pick(rng, 1, 2), int(rng.integers(1, 6)), int(rng.integers(1, 6))
    quantization = (scale(rng), zero_point(rng))
    deep = moved(rng, [batches, height, width, channels * block**2], dtype, quantization)
    wide = moved(rng, [batches, height * block, width * block, channels], dtype, quantization)
    pair = [deep, wide] if kind == "DEPTH_TO_SPACE" else [wide, deep]
    return one_input(pair, kind, {"BlockSize": block})


def mirror_pad(rng: Rng, kind: str) -> bytes:
    dtype = element(rng, ("int8", "int8", "float32"))
    shape, symmetric = extents(rng), pick(rng, 0, 1)
    borders = [
        [int(rng.integers(0, min(extent - (1 - symmetric), 4) + 1)) for _ in (0, 1)]
        for extent in shape
    ]
    quantization = (scale(rng), zero_point(rng))
    output = [extent + sum(border) for extent, border in zip(shape, borders, strict=True)]
    tensors = [
        moved(rng, shape, dtype, quantization),
        integers(borders),
        moved(rng, output, dtype, quantization),
    ]
    return one_input(tensors, kind, {"Mode": symmetric})


def gather(rng: Rng, kind: str) -> bytes:
    dtype = element(rng, ("int8", "int8", "float32"))
    shape = extents(rng)
    axis = int(rng.integers(0, len(shape)))
    picked = rng.integers(0, shape[axis], [pick(rng, 1, 2, 7) for _ in range(pick(rng, 1, 2))])
    quantization = (scale(rng), zero_point(rng))
    output = [*shape[:axis], *picked.shape, *shape[axis + 1 :]]
    tensors = [
        moved(rng, shape, dtype, quantization),
        integers(picked),
        moved(rng, output, dtype, quantization),
    ]
    return one_input(tensors, kind, {"Axis": axis - pick(rng, 0, len(shape))})


def shape_of(rng: Rng, kind: str) -> bytes:
    """The extents of an input as the model's output."""
    shape = extents(rng)
    tensors = [Tensor(shape, scale(rng), zero_point(rng)), Tensor([len(shape)], dtype="int32")]
    return build_model(tensors, [Op(kind, [0], [1], {"OutType": 2})], [0], [1])


PARTING_CASES: dict[str, Callable[[Rng, str], bytes]] = {
    "BATCH_TO_SPACE_ND": space_to_batch,
    "DEPTH_TO_SPACE": depth_to_space,
    "GATHER": gather,
    "MIRROR_PAD": mirror_pad,
    "PACK": pack,
    "SHAPE": shape_of,
    "SPACE_TO_BATCH_ND": space_to_batch,
    "SPACE_TO_DEPTH": depth_to_space,
    "SPLIT_V": split_v,
    "UNPACK": pack,
}
