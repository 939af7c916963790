"""Whole models: every layer byte for byte as TensorFlow Lite Micro computes it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from host_model import HostModel, build_library
from PIL import Image
from tflm_reference import LayerReference, Reference, run_reference_layers

import usim
from usim.models import Model, image_input, load_image

SHIPPED = Path(usim.__file__).parent / "demo" / "cifar10_cnn.tflite"
PICTURES = sorted((SHIPPED.parent / "images").glob("*.png"))
RESNET = "pretrainedResnet_quant.tflite"
NOISES = 100 if os.environ.get("CI") else 10
PHOTOS = 1000 if os.environ.get("CI") else 20
CLASSES = 10
ON_CHIP = 20 if os.environ.get("CI") else CLASSES
"""Photos that the emulated chip runs, of each class as many: a second each, so not all of them."""
MLPERF_TINY = (RESNET, "kws_ref_model.tflite")


def check_layers(path: Path, inputs: list[np.ndarray], folder: Path) -> None:
    model = Model.load(path)
    host = HostModel(model.lowered, build_library(model.lowered.source, folder))
    maker_of = {item.outputs[0]: item.index for item in model.graph.operators}
    reference = LayerReference(path.read_bytes(), model.graph)
    for data in inputs:
        outputs = host.run(data)
        expected = reference.run(data)
        for call, output in zip(model.lowered.calls, outputs, strict=True):
            # A call may do the work of an ADD behind its own operator: what it puts out is the sum.
            maker = maker_of[call.arguments[-call.output_count].tensor]
            np.testing.assert_array_equal(output, expected[maker], err_msg=call.function)


def noise(shape: tuple[int, ...], count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    return [rng.integers(-128, 128, shape, dtype=np.int8) for _ in range(count)]


def test_shipped_model_equals_tflite_micro_on_its_ten_pictures(tmp_path):
    spec = Model.load(SHIPPED).inputs[0]
    assert len(PICTURES) == 10
    inputs = [image_input(load_image(picture, spec), spec) for picture in PICTURES]
    check_layers(SHIPPED, [*inputs, *noise(spec.shape, 3)], tmp_path)


def test_shipped_model_has_the_published_size():
    model = Model.load(SHIPPED)
    assert model.macs == 12_298_240
    assert model.lowered.plan.size_bytes == model.lowered.plan.lower_bound_bytes == 40_960


def test_a_trace_on_the_chip_gives_each_layers_output_as_tflite_micro():
    (data,) = noise(Model.load(SHIPPED).inputs[0].shape, 1)
    with usim.Session("stm32f746", timing="count") as session:
        model = session.load_model(SHIPPED)
        expected = run_reference_layers(SHIPPED.read_bytes(), model.model.graph, data)
        traced = [(layer.index, output) for layer, output in model.trace(data)]
        assert [index for index, _ in traced] == [call.index for call in model.model.lowered.calls]
        for index, output in traced:
            np.testing.assert_array_equal(output, expected[index], err_msg=f"layer {index}")


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_mlperf_tiny_model_equals_tflite_micro(name, shared_data, tmp_path):
    path = shared_data / "models" / name
    check_layers(path, noise(Model.load(path).inputs[0].shape, NOISES), tmp_path)


def photos(folder: Path, model: Path, numbers: Iterable[int]) -> list[np.ndarray]:
    """CIFAR-10's test images of these numbers, as the model takes them."""
    spec = Model.load(model).inputs[0]
    with np.load(folder / "cifar10" / "test.npz") as data:
        files, offsets = data["jpeg"].tobytes(), data["offsets"]
    pixels = (
        np.asarray(Image.open(io.BytesIO(files[offsets[i] : offsets[i + 1]])).convert("RGB"))
        for i in numbers
    )
    return [image_input(image, spec) for image in pixels]


def test_resnet_equals_tflite_micro_on_photos_layer_by_layer(shared_data, tmp_path):
    path = shared_data / "models" / RESNET
    check_layers(path, photos(shared_data, path, range(PHOTOS)), tmp_path)


def test_resnet_on_the_chip_equals_tflite_micro_on_photos_of_every_class(shared_data):
    path = shared_data / "models" / RESNET
    with np.load(shared_data / "cifar10" / "test.npz") as data:
        labels = data["labels"]
    numbers = [
        int(i) for kind in range(CLASSES) for i in np.flatnonzero(labels == kind)[: ON_CHIP // 10]
    ]
    reference = Reference(path.read_bytes())
    with usim.Session("stm32f746", timing="count") as session:
        model = session.load_model(path)
        for data in photos(shared_data, path, numbers):
            np.testing.assert_array_equal(model(data), reference.run(data)[0])


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_mlperf_tiny_model_on_the_chip_equals_tflite_micro_on_noise(name, shared_data):
    path = shared_data / "models" / name
    reference = Reference(path.read_bytes())
    with usim.Session("stm32f746", timing="count") as session:
        model = session.load_model(path)
        for data in noise(model.model.inputs[0].shape, NOISES // 10):
            np.testing.assert_array_equal(model(data), reference.run(data)[0])
