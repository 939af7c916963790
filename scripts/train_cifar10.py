#!/usr/bin/env python3
"""Train the demo network on CIFAR-10 and export it as a full-int8 .tflite.

    pip install '.[train]'
    python scripts/train_cifar10.py --data DIR --output usim/models/data/cifar10_cnn.tflite

DIR holds train.npz and test.npz: CIFAR-10 as JPEG files, keys `jpeg` (all files' bytes, one after
the other), `offsets` (n+1) and `labels`. The network is the one of the 2020 microTVM evaluation:
5x5 convolutions with 32, 32 and 64 filters, each with ReLU and a 3x3 pooling of stride 2 ("same"
padding), then a dense layer: 12,298,240 MACs. Batch normalisation is used in training only; the
converter folds it into the convolutions.

Reports float and int8 accuracy on all test images (the latter by TensorFlow Lite's interpreter).
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
EXPECTED_MACS = 12_298_240
Images = npt.NDArray[np.uint8]


def load_split(path: Path) -> tuple[Images, Images]:
    """Return (images, labels): uint8 (n, 32, 32, 3) and uint8 (n,)."""
    with np.load(path) as archive:
        blob, offsets, labels = archive["jpeg"].tobytes(), archive["offsets"], archive["labels"]
    images = np.stack(
        [
            np.asarray(Image.open(io.BytesIO(blob[start:end])).convert("RGB"))
            for start, end in itertools.pairwise(offsets)
        ]
    )
    return images, labels


def build_network() -> tf.keras.Model:
    """The network with logits as output; input float32 (n, 32, 32, 3) in 0..1."""
    layers = tf.keras.layers
    decay = tf.keras.regularizers.L2(1e-4)

    def convolution(filters: int) -> list[tf.keras.layers.Layer]:
        return [
            layers.Conv2D(filters, 5, padding="same", use_bias=False, kernel_regularizer=decay),
            layers.BatchNormalization(momentum=0.95),
            layers.ReLU(),
        ]

    return tf.keras.Sequential(
        [
            layers.Input((32, 32, 3)),
            *convolution(32),
            layers.MaxPooling2D(3, 2, padding="same"),
            *convolution(32),
            layers.AveragePooling2D(3, 2, padding="same"),
            *convolution(64),
            layers.AveragePooling2D(3, 2, padding="same"),
            layers.Reshape((1024,)),
            layers.Dense(10, kernel_regularizer=decay),
        ]
    )


def augmented(images: Images, labels: Images, batch: int, seed: int) -> tf.data.Dataset:
    """Endless shuffled batches, flipped and shifted by up to 3 pixels."""

    def augment(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_crop(
            tf.pad(image, [[3, 3], [3, 3], [0, 0]], "REFLECT"), (32, 32, 3)
        )
        return tf.cast(image, tf.float32) / 255.0, tf.one_hot(tf.cast(label, tf.int32), 10)

    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    dataset = dataset.shuffle(len(images), seed=seed).map(augment, num_parallel_calls=2)
    return dataset.batch(batch, drop_remainder=True).prefetch(4)


def train(images: Images, labels: Images, epochs: int, batch: int, seed: int) -> tf.keras.Model:
    """Train with a one-cycle cosine schedule; returns the network."""
    tf.keras.utils.set_random_seed(seed)
    network = build_network()
    steps = len(images) // batch * epochs
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        1e-4, steps - steps // 10, alpha=1e-3, warmup_target=4e-3, warmup_steps=steps // 10
    )
    network.compile(
        optimizer=tf.keras.optimizers.AdamW(schedule, weight_decay=1e-4),
        loss=tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05),
        metrics=["accuracy"],
    )
    network.fit(augmented(images, labels, batch, seed), epochs=epochs, verbose=2)
    return network


def convert(network: tf.keras.Model, calibration: Images) -> bytes:
    """Quantise to int8 (per-channel weights, int8 in and out) with softmax as last operator."""

    image = tf.keras.Input((32, 32, 3), batch_size=1)
    deployed = tf.keras.Model(image, tf.keras.layers.Softmax()(network(image, training=False)))
    converter = tf.lite.TFLiteConverter.from_keras_model(deployed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.representative_dataset = lambda: (
        [image[None].astype(np.float32) / 255.0] for image in calibration
    )
    return bytes(converter.convert())


def int8_accuracy(model: bytes, images: Images, labels: Images) -> float:
    """Share of images that TensorFlow Lite's interpreter classifies rightly with the int8 model."""
    interpreter = tf.lite.Interpreter(model_content=model, num_threads=2)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]
    right = 0
    for image, label in zip(images, labels, strict=True):
        interpreter.set_tensor(source, (image[None].astype(np.int16) - 128).astype(np.int8))
        interpreter.invoke()
        right += int(interpreter.get_tensor(result).argmax() == label)
    return right / len(images)


def count_macs(network: tf.keras.Model) -> int:
    """Multiply-accumulates of one inference, from the layers' shapes."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, tf.keras.layers.Conv2D):
            _, height, width, _ = layer.output.shape
            total += int(np.prod(layer.kernel.shape)) * height * width
        elif isinstance(layer, tf.keras.layers.Dense):
            total += int(np.prod(layer.kernel.shape))
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with train.npz, test.npz")
    parser.add_argument("--output", type=Path, required=True, help=".tflite file to write")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    images, labels = load_split(options.data / "train.npz")
    test_images, test_labels = load_split(options.data / "test.npz")
    network = train(images, labels, options.epochs, options.batch, options.seed)
    if count_macs(network) != EXPECTED_MACS:
        sys.exit(f"the network has {count_macs(network):,} MACs, expected {EXPECTED_MACS:,}")
    logits = network.predict(test_images.astype(np.float32) / 255.0, batch_size=500, verbose=0)
    model = convert(network, images[:500])
    report = {
        "float_accuracy": float((logits.argmax(axis=1) == test_labels).mean()),
        "int8_accuracy": int8_accuracy(model, test_images, test_labels),
        "test_images": len(test_images),
        "macs": count_macs(network),
        "epochs": options.epochs,
        "seed": options.seed,
        "tensorflow": tf.__version__,
        "bytes": len(model),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(model)
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
