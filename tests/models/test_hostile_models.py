"""Models from strangers: changed ones, and ones made to cost much. Longer: scripts/fuzz_models."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest
from fuzz_campaign import Campaign
from fuzz_seeds import make_seeds
from host_model import HostModel, build_library
from tflite_builder import Op, Tensor, build_model

from usim.errors import ModelError
from usim.models import lower, read_graph
from usim.models.lowering import LoweredModel

INPUTS = 3000 if os.environ.get("CI") else 200
RUN = 200 if os.environ.get("CI") else 20
SEED = 3
LIMIT_S = 4.0


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return Campaign(make_seeds(), SEED)


def test_changed_models_are_accepted_or_refused_with_one_clear_line(campaign):
    outcome = None
    for outcome, _, _ in campaign.run(range(INPUTS), limit_s=LIMIT_S):
        assert not outcome.failures
    assert outcome is not None
    assert outcome.accepted > INPUTS // 20


def runnable(lowered: LoweredModel) -> bool:
    """Whether a run takes little time and memory: changed extents may be anything."""
    elements = sum(np.prod(call.output_shape, dtype=np.int64) for call in lowered.calls)
    size_bytes = lowered.plan.size_bytes
    return (
        bool(lowered.calls)
        and max(size_bytes, int(elements)) < 1 << 18
        and (lowered.macs < 1 << 22)
    )


def test_kernels_of_changed_models_that_are_accepted_stay_inside_their_memory(campaign, tmp_path):
    accepted: dict[str, LoweredModel] = {}
    numbers = range(INPUTS, INPUTS + 100 * RUN)
    for _, number, lowered in campaign.run(numbers, limit_s=LIMIT_S):
        if lowered is not None and runnable(lowered):
            accepted[f"case_{number}_"] = lowered
        if len(accepted) == RUN:
            break
    assert len(accepted) == RUN
    source = "\n".join(
        re.sub(r"^int32_t (layer_)", rf"int32_t {name}\1", lowered.source, flags=re.M)
        for name, lowered in accepted.items()
    )
    library = build_library(source, tmp_path)
    rng = np.random.default_rng(SEED)
    for name, lowered in accepted.items():
        names = {call.function: name + call.function for call in lowered.calls}
        host = HostModel(lowered, library, names)
        for _ in range(3):
            host.run(*(noise(rng, slot.shape, slot.dtype) for slot in lowered.inputs))


def noise(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    raw = rng.integers(0, 256, int(np.prod(shape)) * np.dtype(dtype).itemsize, dtype=np.uint8)
    return raw.view(dtype).reshape(shape)


def problem(data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        lower(read_graph(data, "net.tflite"))
    return str(caught.value).removeprefix("net.tflite: ")


def chain(count: int, kind: str = "RELU") -> bytes:
    tensors = [Tensor([4], 0.5, 0) for _ in range(count + 1)]
    return build_model(tensors, [Op(kind, [i], [i + 1]) for i in range(count)], [0], [count])


def test_number_of_operators_is_bounded():
    assert lower(read_graph(chain(2000))).calls
    assert problem(chain(2049)) == "2049 in SubGraph.operators; at most 2048 are supported"


def test_number_of_activations_is_bounded():
    splits = 9
    tensors = [Tensor([256], 0.5, 0), Tensor([], dtype="int32", data=np.array(0, np.int32))]
    operators = []
    for _ in range(splits):
        first = len(tensors)
        tensors += [Tensor([1], 0.5, 0) for _ in range(254)]
        operators.append(Op("SPLIT", [1, 0], range(first, first + 254), {"NumSplits": 254}))
    data = build_model(tensors, operators, [0], [2])
    assert problem(data) == "2,287 tensors that are no constants; at most 2,048 are supported"


def test_an_operator_of_very_many_inputs_is_refused():
    tensors = [Tensor([1], 0.5, 0), Tensor([300], 0.5, 0)]
    data = build_model(tensors, [Op("CONCATENATION", [0] * 300, [1], {"Axis": 0})], [0], [1])
    assert problem(data) == "operator 0 (CONCATENATION) names 301 tensors, more than 256"


def test_constants_that_all_operators_share_do_not_multiply_the_memory():
    # 2 MiB of weights in the file, packed by each of a hundred operators.
    weights = np.zeros((1024, 2048), np.int8)
    tensors = [Tensor([1, 2048], 0.5, 0), Tensor(weights.shape, 0.5, 0, data=weights)]
    tensors += [Tensor([1, 1024], 0.5, 0) for _ in range(100)]
    operators = [Op("FULLY_CONNECTED", [0, 1], [2 + i]) for i in range(100)]
    data = build_model(tensors, operators, [0], list(range(2, 102)))
    assert problem(data) == (
        "209,715,200 bytes of constants, each counted as often as it is read; at most 134,217,728 "
        "are supported"
    )


def test_tables_that_a_small_file_asks_for_are_bounded():
    # Each operator's size is 8 bytes in the file, and 1.5 MB of positions on the device.
    size = np.array([1, 65536], np.int32)
    tensors = [Tensor([1, 1, 1, 1], 0.5, 0), Tensor([2], dtype="int32", data=size)]
    tensors += [Tensor([1, 1, 65536, 1], 0.5, 0) for _ in range(200)]
    operators = [Op("RESIZE_BILINEAR", [0, 1], [2 + i]) for i in range(200)]
    data = build_model(tensors, operators, [0], list(range(2, 202)))
    assert len(data) < 1 << 16
    assert problem(data).startswith("operator 170 (RESIZE_BILINEAR): packed weights and tables of")


def test_weights_of_very_many_channels_are_refused():
    weights = np.zeros((65537, 1), np.int8)
    tensors = [Tensor([1, 1], 0.5, 0), Tensor(weights.shape, 0.5, 0, data=weights)]
    tensors.append(Tensor([1, 65537], 0.5, 0))
    data = build_model(tensors, [Op("FULLY_CONNECTED", [0, 1], [2])], [0], [2])
    assert problem(data).endswith("have 65537 channels; at most 65536 are supported")


def test_a_window_that_reaches_beyond_32_bits_is_refused():
    weights = np.zeros((1, 1, 40000, 1), np.int8)
    options = {"Padding": 0, "StrideH": 1, "StrideW": 1}
    options |= {"DilationHFactor": 1, "DilationWFactor": 65536}
    tensors = [Tensor([1, 4, 4, 1], 0.5, 0), Tensor(weights.shape, 0.5, 0, data=weights)]
    tensors.append(Tensor([1, 4, 4, 1], 0.5, 0))
    data = build_model(tensors, [Op("CONV_2D", [0, 1], [2], options)], [0], [2])
    assert problem(data).startswith("operator 0 (CONV_2D): a window that spans 2621374465 pixels;")


def test_a_list_of_very_many_axes_is_refused():
    axes = np.zeros(17, np.int32)
    tensors = [Tensor([2, 2], 0.5, 0), Tensor([17], dtype="int32", data=axes, name="a")]
    tensors.append(Tensor([2], 0.5, 0))
    data = build_model(tensors, [Op("MEAN", [0, 1], [2])], [0], [2])
    assert problem(data) == "operator 0 (MEAN): the axes, tensor 1 'a' int32[17], are more than 16"
