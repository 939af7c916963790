"""Every operator's kernel, byte for byte against TensorFlow Lite Micro, on random cases."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from host_model import HostModel, build_library
from operator_cases import CASES
from tflm_reference import run_reference

from usim.models.lowering import LoweredModel, lower
from usim.models.tflite import read_graph

CASES_PER_OPERATOR = 40


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """All cases of an operator in one library: one run of the compiler instead of forty."""

    @cache
    def build(kind: str) -> list[tuple[bytes, HostModel]]:
        models = [
            CASES[kind](np.random.default_rng([list(CASES).index(kind), i]), kind)
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


def renamed(lowered: LoweredModel, index: int) -> str:
    return re.sub(r"^int32_t (layer_)", rf"int32_t case_{index}_\1", lowered.source, flags=re.M)


def input_sets(lowered: LoweredModel, rng: np.random.Generator):
    shapes = [slot.shape for slot in lowered.inputs]
    yield [rng.integers(-128, 128, shape, dtype=np.int8) for shape in shapes]
    yield [rng.choice(np.array([-128, 127], np.int8), shape) for shape in shapes]
    for value in (-128, 127, 0):
        yield [np.full(shape, value, np.int8) for shape in shapes]
    yield [rng.integers(-128, 128, shape, dtype=np.int8) // 16 for shape in shapes]


@pytest.mark.parametrize("index", range(CASES_PER_OPERATOR))
@pytest.mark.parametrize("kind", CASES)
def test_kernel_equals_tflite_micro(cases, kind, index):
    model, host = cases(kind)[index]
    for inputs in input_sets(host.lowered, np.random.default_rng(index)):
        host.run(*inputs)
        expected = run_reference(model, *inputs)
        np.testing.assert_array_equal(host.result()[0], expected[0])
