"""What is refused of operators that stack, part, pick, rearrange and reduce: by name, in a line."""

from __future__ import annotations

import numpy as np
import pytest
from movement_cases import integers
from tflite_builder import Op, Tensor, build_model

from usim.errors import ModelError
from usim.models import lower, read_graph


def int8(*shape: int, scale: float = 0.5, zero_point: int = 3) -> Tensor:
    return Tensor(shape, scale, zero_point)


REFUSED = [
    ("PACK", [int8(4), int8(2, 5)], {"ValuesCount": 1}, "is no part of"),
    ("PACK", [int8(4), int8(4)], {"ValuesCount": 1}, "one dimension less"),
    ("UNPACK", [int8(1, 4), int8(5)], {"Num": 1}, "is no part of"),
    ("SPLIT_V", [int8(4), integers([3]), integers(np.array(0)), int8(4)], {"NumSplits": 1}, "3 of"),
    ("GATHER", [int8(4), integers([4]), int8(1)], {"Axis": 0}, "indices from 4 to 4"),
    ("GATHER", [int8(4), integers([-1]), int8(1)], {"Axis": 0}, "indices from -1"),
    ("GATHER", [int8(4), integers([0]), int8(1)], {"Axis": 2}, "axis 2"),
    ("GATHER", [int8(4), integers([0]), int8(1)], {"BatchDims": 1}, "batch_dims"),
    ("MIRROR_PAD", [int8(3), integers([[3, 0]]), int8(6)], {"Mode": 0}, "borders of (3, 0)"),
    ("MIRROR_PAD", [int8(3), integers([[4, 0]]), int8(7)], {"Mode": 1}, "borders of (4, 0)"),
    ("DEPTH_TO_SPACE", [int8(1, 2, 2, 6), int8(1, 4, 4, 1)], {"BlockSize": 2}, "6 channels"),
    ("SPACE_TO_DEPTH", [int8(1, 2, 2, 1), int8(1, 1, 1, 4)], {"BlockSize": 0}, "block size of 0"),
    (
        "SPACE_TO_BATCH_ND",
        [int8(1, 5, 1), integers([2]), integers([[0, 0]]), int8(2, 2, 1)],
        {},
        "do not fit a block of [2]",
    ),
    (
        "BATCH_TO_SPACE_ND",
        [int8(100, 1, 1), integers([100]), integers([[0, 0]]), int8(1, 100, 1)],
        {},
        "at most 64",
    ),
    ("REDUCE_MAX", [int8(2, 3), integers([1]), int8(2, scale=0.1)], {}, "must share scale"),
    ("REDUCE_MIN", [int8(2, 3), integers([2]), int8(2, 3)], {}, "axis 2"),
    ("L2_NORMALIZATION", [int8(1, 3), int8(1, 3)], {}, "scale 1/128"),
    ("SQUARED_DIFFERENCE", [int8(3), int8(3), int8(3, scale=1e-6)], {}, "is too small"),
    ("NEG", [int8(3), int8(3)], {}, "is not float32"),
]


@pytest.mark.parametrize(("kind", "tensors", "options", "message"), REFUSED)
def test_what_is_refused_is_named(kind, tensors, options, message):
    last = len(tensors) - 1
    inputs = [i for i, tensor in enumerate(tensors[:-1]) if tensor.data is None]
    data = build_model(tensors, [Op(kind, [*range(last)], [last], options)], inputs, [last])
    with pytest.raises(ModelError) as caught:
        lower(read_graph(data, "net.tflite"))
    line = str(caught.value)
    assert line.startswith("net.tflite: operator 0 (")
    assert kind in line
    assert message in line
    assert "\n" not in line
