"""Models on the emulated chip: byte for byte what TensorFlow Lite Micro's interpreter computes."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tflite_micro import runtime

import usim
from usim import demo
from usim.compiled_model import CompiledModel
from usim.errors import ArgumentError, ModelError
from usim.models import Model, image_input, load_image

# A quarter of a second an image: all of them in continuous integration only.
TEST_IMAGES = 1000 if os.environ.get("CI") or os.environ.get("USIM_LONG_TESTS") else 50
ARENA_BYTES = 1 << 20


@pytest.fixture(scope="module")
def counting_session():
    with usim.Session("stm32f746", timing="count") as session:
        yield session


@pytest.fixture(scope="module")
def demo_model(counting_session):
    return counting_session.load_model(demo.MODEL)


class Reference:
    """TensorFlow Lite Micro, from PyPI."""

    def __init__(self, path: Path) -> None:
        self._interpreter = runtime.Interpreter.from_file(str(path), arena_size=ARENA_BYTES)

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        self._interpreter.set_input(stored, 0)
        self._interpreter.invoke()
        return np.array(self._interpreter.get_output(0))


def check_equal(model: CompiledModel, reference: Reference, inputs: list[np.ndarray]) -> None:
    for index, stored in enumerate(inputs):
        np.testing.assert_array_equal(model(stored), reference(stored), err_msg=f"input {index}")


def noise(model: CompiledModel, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(11)
    shape = model.model.inputs[0].shape
    return [rng.integers(-128, 128, shape, dtype=np.int8) for _ in range(count)]


def test_the_shipped_model_equals_tflite_micro_on_its_ten_images(demo_model):
    spec = demo_model.model.inputs[0]
    inputs = [image_input(load_image(path, spec), spec) for path, _ in demo.images()]
    assert len(inputs) == 10
    check_equal(demo_model, Reference(demo.MODEL), [*inputs, *noise(demo_model, 3)])


def test_the_shipped_model_equals_tflite_micro_on_the_test_set(demo_model, shared_data):
    spec = demo_model.model.inputs[0]
    with np.load(shared_data / "cifar10" / "test.npz") as archive:
        blob, ends, labels = archive["jpeg"].tobytes(), archive["offsets"], archive["labels"]
    reference, right = Reference(demo.MODEL), 0
    for index in range(TEST_IMAGES):
        picture = Image.open(io.BytesIO(blob[ends[index] : ends[index + 1]])).convert("RGB")
        stored = image_input(np.asarray(picture, np.uint8), spec)
        output = demo_model(stored)
        np.testing.assert_array_equal(output, reference(stored), err_msg=f"image {index}")
        right += int(output.argmax() == labels[index])
    assert right >= 0.7 * TEST_IMAGES


@pytest.mark.parametrize("name", ["pretrainedResnet_quant.tflite", "kws_ref_model.tflite"])
def test_mlperf_tiny_models_equal_tflite_micro(name, counting_session, shared_data):
    path = shared_data / "models" / name
    model = counting_session.load_model(path)
    try:
        check_equal(model, Reference(path), noise(model, 3))
    finally:
        model.unload()


def test_lazy_strict_and_every_timing_compute_the_same(demo_model):
    (stored,) = noise(demo_model, 1)
    expected = demo_model(stored)
    for strict, timing in ((True, "count"), (False, "core"), (False, "full")):
        with usim.Session("stm32f746", strict=strict, timing=timing) as session:
            np.testing.assert_array_equal(session.load_model(demo.MODEL)(stored), expected)


def test_the_larger_chip_computes_the_same(demo_model):
    (stored,) = noise(demo_model, 1)
    with usim.Session("stm32f767", timing="count") as session:
        np.testing.assert_array_equal(session.load_model(demo.MODEL)(stored), demo_model(stored))


def test_a_profile_counts_each_operator_the_same_each_time(demo_model):
    (stored,) = noise(demo_model, 1)
    first, second = demo_model.profile(stored), demo_model.profile(stored)
    assert [layer.count for layer in first.layers] == [layer.count for layer in second.layers]
    assert first.count.value == sum(layer.count.value for layer in first.layers)
    assert first.macs == 12_298_240
    assert first.layers[0].kind == "CONV_2D"
    assert first.layers[0].count.value > first.layers[0].macs  # plain C: more than one each


def test_a_float_input_is_quantised_and_a_batch_extent_may_be_left_out(demo_model):
    (stored,) = noise(demo_model, 1)
    spec = demo_model.model.inputs[0]
    reals = (stored.astype(np.float32) - spec.zero_point) * spec.scale
    expected = demo_model(stored)
    np.testing.assert_array_equal(demo_model(reals), expected)
    np.testing.assert_array_equal(demo_model(stored[0]), expected)


@pytest.mark.parametrize(
    "bad", [np.zeros((1, 32, 32, 4), np.int8), np.zeros((1, 32, 32, 3), np.uint8), np.int8(3)]
)
def test_an_input_that_does_not_fit_is_refused_and_nothing_runs(bad, demo_model, counting_session):
    before = counting_session.stats.tasks
    with pytest.raises(ArgumentError):
        demo_model(bad)
    with pytest.raises(ArgumentError, match="takes 1 inputs, got 2"):
        demo_model(np.zeros((1, 32, 32, 3), np.int8), bad)
    assert counting_session.stats.tasks == before


def use(session) -> dict[str, int]:
    return {use.name: use.used_bytes for use in session.memory_use() if use.used_bytes is not None}


def test_unload_returns_all_memory_and_two_models_live_side_by_side():
    with usim.Session("stm32f746", timing="count") as session:
        before = use(session)
        first, second = session.load_model(demo.MODEL), session.load_model(demo.MODEL)
        assert first.arena_bytes == 40_960
        (stored,) = noise(first, 1)
        np.testing.assert_array_equal(first(stored), second(stored))
        first.unload()
        second(stored)
        second.unload()
        assert use(session) == before


def test_a_model_that_does_not_fit_leaves_nothing_behind():
    with usim.Session("stm32f746", timing="count") as session:
        filler = [session.empty(size, np.int8) for size in (50_000, 50_000, 50_000, 30_000)]
        before = use(session)
        with pytest.raises(ModelError) as caught:
            session.load_model(demo.MODEL)
        assert caught.value.section == "heap"
        assert "40,960 of heap" in str(caught.value)
        assert use(session) == before
        del filler
        session.load_model(Model.load(demo.MODEL))
