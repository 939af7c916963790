"""Random models of the operators that move data, and of those that came with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from case_values import (
    SAME,
    Rng,
    activation,
    bias,
    output_scale,
    pick,
    scale,
    weight_scales,
    weights,
    zero_point,
)
from tflite_builder import Op, Tensor, build_model

MOVED_TYPES = ("int8", "int8", "int8", "int16", "float32")


def element(rng: Rng, types: Sequence[str] = MOVED_TYPES) -> str:
    return str(rng.choice(types))


def extents(rng: Rng, lowest_rank: int = 1, highest_rank: int = 4) -> list[int]:
    """A shape of a few thousand elements at most, so that an emulated chip can take it, too."""
    rank = int(rng.integers(lowest_rank, highest_rank + 1))
    shape = [pick(rng, 1, 2, 3, 4, 5, 7, 11) for _ in range(rank)]
    while math.prod(shape) > 4000:
        shape[shape.index(max(shape))] = 2
    return shape


def integers(values: Sequence[int] | np.ndarray) -> Tensor:
    data = np.array(values, np.int32)
    return Tensor(data.shape, dtype="int32", data=data)


def moved(rng: Rng, shape: Sequence[int], dtype: str, quantization: tuple = ()) -> Tensor:
    """A tensor; int8 ones have a quantisation, which moving does not look at."""
    if dtype != "int8":
        return Tensor(shape, dtype=dtype)
    return Tensor(shape, *(quantization or (scale(rng), zero_point(rng))))


def constant(rng: Rng, tensor: Tensor) -> Tensor:
    """`tensor` with random contents."""
    if tensor.dtype == "float32":
        tensor.data = rng.normal(size=tensor.shape).astype(np.float32)
    else:
        limits = np.iinfo(tensor.dtype)
        tensor.data = rng.integers(limits.min, limits.max, tensor.shape, tensor.dtype)
    return tensor


def one_input(tensors: list[Tensor], kind: str, options: dict[str, int] | None) -> bytes:
    """The operator's inputs are all tensors but the last, its output; the first is the model's."""
    last = len(tensors) - 1
    return build_model(tensors, [Op(kind, [*range(last)], [last], options)], [0], [last])


def pad(rng: Rng, kind: str) -> bytes:
    dtype = element(rng, ("int8", "int8", "int8", "int16", "int32", "float32"))
    shape = extents(rng)
    borders = rng.integers(0, 4, (len(shape), 2)) * rng.integers(0, 2, (len(shape), 1))
    quantization = (scale(rng), zero_point(rng))
    tensors = [moved(rng, shape, dtype, quantization), integers(borders)]
    if kind == "PADV2":
        value = moved(rng, [] if rng.random() < 0.5 else [1], dtype, quantization)
        tensors.append(constant(rng, value))
    output = [int(extent + sum(border)) for extent, border in zip(shape, borders, strict=True)]
    return one_input([*tensors, moved(rng, output, dtype, quantization)], kind, {})


def renaming(rng: Rng, kind: str) -> bytes:
    """Between two paddings by nothing, since a model that only renames has no code to run."""
    dtype = element(rng)
    shape = [2, *extents(rng, 1, 2)]
    axis = int(rng.integers(0, len(shape) + 1))
    longer = [*shape[:axis], 1, *shape[axis:]]
    before, after = (shape, longer) if kind != "SQUEEZE" else (longer, shape)
    if kind == "SQUEEZE":
        after = [extent for extent in longer if extent != 1]
    quantization = (scale(rng), zero_point(rng))
    extra = {
        "RESHAPE": [integers(after)],
        "EXPAND_DIMS": [integers([axis - pick(rng, 0, len(longer))])],
        "SQUEEZE": [],
    }[kind]
    tensors = [
        moved(rng, before, dtype, quantization),
        integers(np.zeros((len(before), 2))),
        moved(rng, before, dtype, quantization),
        moved(rng, after, dtype, quantization),
        integers(np.zeros((len(after), 2))),
        moved(rng, after, dtype, quantization),
        *extra,
    ]
    operators = [
        Op("PAD", [0, 1], [2]),
        Op(kind, [2, *range(6, len(tensors))], [3]),
        Op("PAD", [3, 4], [5]),
    ]
    return build_model(tensors, operators, [0], [5])


def transpose(rng: Rng, kind: str) -> bytes:
    dtype = element(rng)
    shape = extents(rng, 1, 5)
    order = rng.permutation(len(shape))
    output = [shape[axis] for axis in order]
    tensors = [moved(rng, shape, dtype), integers(order), moved(rng, output, dtype)]
    return one_input(tensors, kind, {})


def concatenation(rng: Rng, kind: str) -> bytes:
    dtype = element(rng, (*MOVED_TYPES, "int32"))
    shape = extents(rng)
    axis = int(rng.integers(0, len(shape)))
    parts = [pick(rng, 1, 2, 3, 8) for _ in range(pick(rng, 1, 2, 2, 3, 10))]
    quantization = (scale(rng), zero_point(rng))
    tensors = [
        moved(rng, [*shape[:axis], part, *shape[axis + 1 :]], dtype, quantization)
        for part in [*parts, sum(parts)]
    ]
    count = len(parts)
    inputs = list(range(count))
    if count > 1 and rng.random() < 0.3:
        constant(rng, tensors[inputs.pop()])
    axis -= pick(rng, 0, len(shape))
    operators = [Op(kind, [*range(count)], [count], {"Axis": axis})]
    return build_model(tensors, operators, inputs, [count])


def split(rng: Rng, kind: str) -> bytes:
    dtype = element(rng, (*MOVED_TYPES, "int32"))
    shape = extents(rng)
    axis, count = int(rng.integers(0, len(shape))), pick(rng, 1, 2, 3, 5)
    quantization = (scale(rng), zero_point(rng))
    whole = [*shape[:axis], shape[axis] * count, *shape[axis + 1 :]]
    tensors = [
        integers(np.array(axis - pick(rng, 0, len(shape)))),
        moved(rng, whole, dtype, quantization),
        *(moved(rng, shape, dtype, quantization) for _ in range(count)),
    ]
    outputs = list(range(2, 2 + count))
    return build_model(tensors, [Op(kind, [0, 1], outputs, {"NumSplits": count})], [1], outputs)


def slice_(rng: Rng, kind: str) -> bytes:
    dtype = element(rng, (*MOVED_TYPES, "int32"))
    shape = extents(rng, 1, 5)
    begin = [int(rng.integers(0, extent)) for extent in shape]
    size = [int(rng.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True)]
    given = [-1 if b + s == n and rng.random() < 0.5 else s for n, b, s in zip(shape, begin, size)]  # noqa: B905
    tensors = [moved(rng, shape, dtype), integers(begin), integers(given), moved(rng, size, dtype)]
    return one_input(tensors, kind, {})


def strided_slice(rng: Rng, kind: str) -> bytes:
    dtype = element(rng, (*MOVED_TYPES, "int32"))
    while True:
        shape = extents(rng)
        ranges, masks, output = [], [0, 0, 0], []
        for axis, extent in enumerate(shape):
            step = pick(rng, 1, 1, 2, 3, -1, -2)
            begin, end = (int(rng.integers(-extent - 2, extent + 3)) for _ in range(2))
            bits = [int(rng.random() < chance) << axis for chance in (0.4, 0.4, 0.2)]
            if bits[2]:
                begin, end, step = int(rng.integers(-extent, extent)), 0, 1
                bits[:2] = [0, 0]
            else:
                first = None if bits[0] else begin
                output.append(len(range(extent)[first : None if bits[1] else end : step]))
            masks = [mask | bit for mask, bit in zip(masks, bits, strict=True)]
            ranges.append((begin, end, step))
        if 0 not in output:
            break
    names = ("BeginMask", "EndMask", "ShrinkAxisMask")
    tensors = [
        moved(rng, shape, dtype),
        *(integers(values) for values in zip(*ranges, strict=True)),
        moved(rng, output, dtype),
    ]
    return one_input(tensors, kind, dict(zip(names, masks, strict=True)))


def resize(rng: Rng, kind: str) -> bytes:
    dtype = "int8" if kind == "RESIZE_BILINEAR" else element(rng)
    height, width = (int(rng.integers(1, 12)) for _ in range(2))
    size = [int(rng.integers(1, 25)) for _ in range(2)]
    batches, channels = pick(rng, 1, 1, 2), pick(rng, 1, 2, 3, 4, 7)
    quantization = (scale(rng), zero_point(rng))
    aligned, centred = pick(rng, 0, 1), pick(rng, 0, 1)
    if kind == "RESIZE_BILINEAR" and aligned:
        centred = 0
    tensors = [
        moved(rng, [batches, height, width, channels], dtype, quantization),
        integers(size),
        moved(rng, [batches, *size, channels], dtype, quantization),
    ]
    return one_input(tensors, kind, {"AlignCorners": aligned, "HalfPixelCenters": centred})


def transpose_conv(rng: Rng, kind: str) -> bytes:
    window = [int(rng.integers(1, 6)) for _ in range(2)]
    stride = [pick(rng, 1, 2, 2, 3) for _ in range(2)]
    padding, depth, channels = pick(rng, 0, 1), pick(rng, 1, 2, 3, 8, 17), int(rng.integers(1, 10))
    image = [int(rng.integers(1, 7)) for _ in range(2)]
    if padding == SAME:
        output = [n * s - int(rng.integers(0, s)) for n, s in zip(image, stride, strict=True)]
    else:
        spans = zip(image, stride, window, strict=True)
        output = [(n - 1) * s + w + int(rng.integers(0, s)) for n, s, w in spans]
    batches, shape = pick(rng, 1, 1, 2), (channels, *window, depth)
    in_scale, w_scale = scale(rng), scale(rng)
    spread = output_scale(rng, window[0] * window[1] * depth, in_scale * w_scale)
    tensors = [
        integers([batches, *output, channels]),
        Tensor(shape, weight_scales(rng, channels, w_scale), 0, data=weights(rng, shape)),
        Tensor([batches, *image, depth], in_scale, zero_point(rng)),
        Tensor([batches, *output, channels], spread, zero_point(rng)),
    ]
    inputs = [0, 1, 2]
    if rng.random() < 0.8:
        product = float(np.float32(in_scale) * np.float32(w_scale))
        tensors.append(Tensor([channels], product, 0, "int32", data=bias(rng, channels)))
        inputs.append(4)
    options = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1]}
    options["FusedActivationFunction"] = activation(rng)
    return build_model(tensors, [Op(kind, inputs, [3], options)], [2], [3])


def svdf(rng: Rng, kind: str) -> bytes:
    rank, units, memory = pick(rng, 1, 1, 2, 3), int(rng.integers(1, 9)), int(rng.integers(1, 11))
    depth, batches, filters = int(rng.integers(1, 40)), pick(rng, 1, 1, 2), units * rank
    dtype = element(rng, ("int16", "int16", "int8"))
    in_scale, w_scale, t_scale = scale(rng, 1e-3, 1), scale(rng, 1e-3, 1), scale(rng, 1e-6, 1e-3)
    steps = 74 * 74 * depth**0.5 * in_scale * w_scale
    spread = 8000 if dtype == "int16" else 60
    state_scale = steps / spread * float(rng.choice([0.1, 1, 1, 1, 10]))
    bias_scale = float(np.float32(state_scale) * np.float32(t_scale))
    limits = np.iinfo(dtype)
    times = rng.integers(limits.min + 1, limits.max, (filters, memory), dtype, endpoint=True)
    result = bias_scale * spread * limits.max * (rank * memory) ** 0.5 / 2 / 60
    tensors = [
        Tensor([batches, depth], in_scale, zero_point(rng)),
        Tensor([filters, depth], w_scale, 0, data=weights(rng, (filters, depth))),
        Tensor([filters, memory], t_scale, 0, dtype, data=times),
        Tensor([units], bias_scale, 0, "int32", data=bias(rng, units)),
        Tensor(
            [batches, filters * memory],
            state_scale,
            0 if dtype == "int16" else zero_point(rng),
            dtype,
            variable=True,
        ),
        Tensor([batches, units], result * float(rng.choice([0.1, 1, 1, 10])), zero_point(rng)),
    ]
    options = {"Rank": rank, "FusedActivationFunction": pick(rng, 0, 1)}
    return one_input(tensors, kind, options)


MOVEMENT_CASES: dict[str, Callable[[Rng, str], bytes]] = {
    "CONCATENATION": concatenation,
    "EXPAND_DIMS": renaming,
    "PAD": pad,
    "PADV2": pad,
    "RESHAPE": renaming,
    "RESIZE_BILINEAR": resize,
    "RESIZE_NEAREST_NEIGHBOR": resize,
    "SLICE": slice_,
    "SPLIT": split,
    "SQUEEZE": renaming,
    "STRIDED_SLICE": strided_slice,
    "SVDF": svdf,
    "TRANSPOSE": transpose,
    "TRANSPOSE_CONV": transpose_conv,
}
