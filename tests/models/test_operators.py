"""Every operator's kernel, byte for byte against TensorFlow Lite Micro, on random cases."""

from __future__ import annotations

import os
import re
from functools import cache

import numpy as np
import pytest
from host_model import HostModel, build_library
from operator_cases import CASES
from tflm_reference import Reference, run_reference

from usim.models.lowering import Activation, LoweredModel, lower
from usim.models.tflite import read_graph

CASES_PER_OPERATOR = 200 if os.environ.get("CI") else 40


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """All cases of an operator in one library: one run of the compiler instead of one a case."""

    @cache
    def build(kind: str) -> list[tuple[bytes, HostModel]]:
        models = [
            CASES[kind](np.random.default_rng([*kind.encode(), i]), kind)
            for i in range(CASES_PER_OPERATOR)
        ]
        lowered = [lower(read_graph(model, f"{kind} {i}")) for i, model in enumerate(models)]
        source = "\n".join(renamed(item, i) for i, item in enumerate(lowered))
        library = build_library(source, tmp_path_factory.mktemp(kind.lower()))
        return [
            (
                model,
                HostModel(
                    item, library, {c.function: f"case_{i}_{c.function}" for c in item.calls}
                ),
            )
            for i, (model, item) in enumerate(zip(models, lowered, strict=True))
        ]

    return build


@pytest.mark.parametrize("index", range(0, 40, 2))
@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
def test_kernel_without_scratch_memory_equals_tflite_micro(kind, index, tmp_path, monkeypatch):
    # What is taken for windows that do not fit the scratch memory, on windows of any size.
    for module in ("conv_2d", "bands", "transpose_conv"):
        monkeypatch.setattr(f"usim.models.operators.{module}.SCRATCH_BYTES", 0)
    model = CASES[kind](np.random.default_rng([list(CASES).index(kind), index]), kind)
    lowered = lower(read_graph(model, f"{kind} {index}"))
    assert "usim_workspace_alloc" not in lowered.source
    host = HostModel(lowered, build_library(lowered.source, tmp_path))
    for inputs in input_sets(lowered, np.random.default_rng(index)):
        host.run(*inputs)
        np.testing.assert_array_equal(host.result()[0], run_reference(model, *inputs)[0])


def renamed(lowered: LoweredModel, index: int) -> str:
    return re.sub(r"^int32_t (layer_)", rf"int32_t case_{index}_\1", lowered.source, flags=re.M)


def input_sets(lowered: LoweredModel, rng: np.random.Generator):
    slots = lowered.inputs
    if slots[0].dtype == "float32" and lowered.output_specs[0].quantization is not None:
        yield from float_sets(lowered, rng)
        return
    yield [noise(rng, slot) for slot in slots]
    yield [rng.choice(ends(slot), slot.shape) for slot in slots]
    for value in (*ends(slots[0]), 0):
        yield [np.full(slot.shape, value, slot.dtype) for slot in slots]
    yield [noise(rng, slot) // 16 for slot in slots]


def noise(rng: np.random.Generator, slot: Activation) -> np.ndarray:
    if slot.dtype == "float32":
        return rng.normal(0, 100, slot.shape).astype(np.float32)
    limits = np.iinfo(slot.dtype)
    return rng.integers(limits.min, limits.max, slot.shape, slot.dtype, endpoint=True)


def ends(slot: Activation) -> np.ndarray:
    limits = np.finfo(slot.dtype) if slot.dtype == "float32" else np.iinfo(slot.dtype)
    return np.array([limits.min, limits.max], slot.dtype)


def float_sets(lowered: LoweredModel, rng: np.random.Generator):
    """Real numbers around and beyond what the output can hold, and between two of its steps."""
    step = np.float32(lowered.output_specs[0].scale)
    for factor in (1, 100, 1000, 1e6):
        yield [
            (rng.normal(0, factor, slot.shape) * step).astype(np.float32) for slot in lowered.inputs
        ]
    yield [
        ((rng.integers(-300, 300, slot.shape) + np.float32(0.5)) * step).astype(np.float32)
        for slot in lowered.inputs
    ]


@pytest.mark.parametrize("index", range(CASES_PER_OPERATOR))
@pytest.mark.parametrize("kind", CASES)
def test_kernel_equals_tflite_micro(cases, kind, index):
    model, host = cases(kind)[index]
    reference = Reference(model, len(host.lowered.outputs))
    host.reset()
    for inputs in input_sets(host.lowered, np.random.default_rng(index)):
        host.run(*inputs)
        for result, expected in zip(host.result(), reference.run(*inputs), strict=True):
            np.testing.assert_array_equal(result, expected)
            assert result.dtype == expected.dtype
