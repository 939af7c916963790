"""Whole models on the host: every layer byte for byte as TensorFlow Lite Micro computes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from host_model import HostModel, build_library
from tflm_reference import run_reference_layers

import usim
from usim.models import Model, image_input, load_image

SHIPPED = Path(usim.__file__).parent / "demo" / "cifar10_cnn.tflite"
PICTURES = sorted((SHIPPED.parent / "images").glob("*.png"))
MLPERF_TINY = ("pretrainedResnet_quant.tflite", "kws_ref_model.tflite")


def check_layers(path: Path, inputs: list[np.ndarray], folder: Path) -> None:
    model = Model.load(path)
    host = HostModel(model.lowered, build_library(model.lowered.source, folder))
    maker_of = {item.outputs[0]: item.index for item in model.graph.operators}
    for data in inputs:
        outputs = host.run(data)
        expected = run_reference_layers(path.read_bytes(), model.graph, data)
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
    check_layers(path, noise(Model.load(path).inputs[0].shape, 10), tmp_path)
