#!/usr/bin/env python3
"""Make a folder of int8 models as users have them, with random weights, by TensorFlow's converter.

    pip install '.[train]'
    python scripts/make_model_zoo.py FOLDER [NAME...]
    scripts/compare_models FOLDER

The weights are random; batch normalisation has the statistics of random inputs.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parent / "_zoo"))
from signals import SIGNALS
from vision import VISION


def samples(model: tf.keras.Model, seed: int) -> list[npt.NDArray[Any]]:
    """One random input each: blurred noise, as neighbours in pictures and signals are alike."""
    rng = np.random.default_rng(seed)
    result: list[npt.NDArray[Any]] = []
    for tensor in model.inputs:
        shape = tuple(extent or 1 for extent in tensor.shape)
        if tensor.dtype == "int32":
            result.append(rng.integers(0, 100, shape, dtype=np.int32))
            continue
        values = rng.normal(0, 1, shape)
        for axis in range(1, len(shape) - 1):
            values = (values + np.roll(values, 1, axis)) / 1.4
        result.append(values.astype(np.float32))
    return result


def settle(model: tf.keras.Model) -> None:
    """Random biases, scales and shifts, and the statistics of random inputs."""
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if weight.name in ("bias", "beta", "alpha") and weight.dtype == "float32":
            weight.assign(rng.normal(0, 0.1, weight.shape))
        if weight.name == "gamma":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = 0.5
    for seed in range(6):
        model(samples(model, seed), training=True)


def convert(model: tf.keras.Model, io: str = "int8", **settings: Any) -> bytes:
    """Full int8 quantisation, inputs and outputs of type `io`."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]

    def representative() -> Iterator[list[npt.NDArray[Any]] | dict[str, npt.NDArray[Any]]]:
        for seed in range(20):
            values = samples(model, 100 + seed)
            # By name where there are several: the converter has an order of its own.
            names = [tensor.name for tensor in model.inputs]
            yield values if len(values) == 1 else dict(zip(names, values, strict=True))

    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    if io != "float32":
        converter.inference_input_type = converter.inference_output_type = tf.dtypes.as_dtype(io)
    for name, value in settings.items():
        setattr(converter, name, value)
    data: bytes = converter.convert()
    return data


VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "float": {"io": "float32"},
    "uint8": {"io": "uint8"},
    "per_tensor": {"_experimental_disable_per_channel": True},
    "old_quantizer": {"experimental_new_quantizer": False},
}
VARIED = ("mobilenet_v2", "ds_cnn", "accelerometer_conv1d", "two_inputs", "tiny_dense")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a folder of int8 models.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for build in (*VISION, *SIGNALS):
        name = build.__name__
        if arguments.names and name not in arguments.names:
            continue
        tf.keras.utils.set_random_seed(11)
        try:
            model = build()
            settle(model)
        except Exception:  # noqa: BLE001 - Keras raises what it likes
            print(f"{name}: BUILD FAILED")
            traceback.print_exc(limit=3)
            continue
        for variant, settings in VARIANTS.items():
            if variant and name not in VARIED:
                continue
            target = arguments.folder / f"{name}{'_' * bool(variant)}{variant}.tflite"
            try:
                target.write_bytes(convert(model, **settings))
            except Exception as exc:  # noqa: BLE001 - so does the converter
                print(f"{target.name}: NOT CONVERTED: {str(exc)[:300]}")
                continue
            print(f"{target.name}: {target.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
