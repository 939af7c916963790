"""Makes keras_lstm.tflite: two LSTM layers that tell which third of a sequence was the loudest.

Needs tensorflow-cpu 2.21.0 and tf_keras 2.21.0, whose LSTM the converter knows as one operator:

    TF_USE_LEGACY_KERAS=1 python make_keras_lstm.py keras_lstm.tflite
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

STEPS, DEPTH, CLASSES = 12, 6, 3


def network(batches: int | None) -> keras.Model:
    source = keras.Input((STEPS, DEPTH), batch_size=batches)
    hidden = keras.layers.LSTM(20, return_sequences=True)(source)
    hidden = keras.layers.LSTM(16)(hidden)
    return keras.Model(source, keras.layers.Dense(CLASSES, activation="softmax")(hidden))


def main() -> None:
    keras.utils.set_random_seed(7)
    trained = network(None)
    values = np.random.default_rng(7).normal(0, 1, (4000, STEPS, DEPTH)).astype(np.float32)
    thirds = values.reshape(len(values), CLASSES, STEPS // CLASSES, DEPTH)
    trained.compile("adam", "sparse_categorical_crossentropy")
    trained.fit(values, (thirds**2).sum((2, 3)).argmax(1), epochs=30, verbose=0)
    single = network(1)
    single.set_weights(trained.get_weights())
    converter = tf.lite.TFLiteConverter.from_keras_model(single)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([value[None]] for value in values[:200])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    Path(sys.argv[1]).write_bytes(converter.convert())


if __name__ == "__main__":
    main()
