"""Networks on audio, accelerations and other signals; attention; several inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

L = keras.layers


class Op(L.Layer):
    """Any function of tensors as a layer."""

    def __init__(self, function: Any, **k: Any) -> None:
        super().__init__(**k)
        self.function = function

    def call(self, *x: Any) -> Any:
        return self.function(*x)


def anomaly_autoencoder() -> keras.Model:
    """MLPerf Tiny's anomaly detection."""
    x = inputs = L.Input((640,))
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = L.ReLU()(L.BatchNormalization()(L.Dense(units)(x)))
    return keras.Model(inputs, L.Dense(640)(x))


def conv_autoencoder() -> keras.Model:
    x = inputs = L.Input((32, 32, 1))
    x = L.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
    x = L.Conv2D(16, 3, 2, padding="same", activation="relu")(x)
    x = L.Flatten()(x)
    x = L.Dense(12)(x)
    x = L.Dense(8 * 8 * 16, activation="relu")(x)
    x = L.Reshape((8, 8, 16))(x)
    x = L.Conv2DTranspose(8, 3, 2, padding="same", activation="relu")(x)
    x = L.Conv2DTranspose(1, 3, 2, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, x)


def accelerometer_conv1d() -> keras.Model:
    x = inputs = L.Input((128, 3))
    for filters in (8, 16, 32):
        x = L.Conv1D(filters, 5, padding="same", activation="relu")(x)
        x = L.MaxPooling1D(2)(x)
    x = L.GlobalAveragePooling1D()(x)
    x = L.Dense(20, activation="relu")(x)
    return keras.Model(inputs, L.Dense(6, activation="softmax")(x))


def ecg_conv1d() -> keras.Model:
    x = inputs = L.Input((187, 1))
    x = L.Conv1D(16, 7, 2, activation="relu")(x)
    for _ in range(2):
        y = L.Conv1D(16, 5, padding="same")(x)
        y = L.ReLU()(L.BatchNormalization()(y))
        y = L.Conv1D(16, 5, padding="same")(y)
        x = L.AveragePooling1D(2)(L.ReLU()(L.Add()([x, y])))
    x = L.GlobalMaxPooling1D()(x)
    return keras.Model(inputs, L.Dense(5, activation="softmax")(x))


def tcn_causal() -> keras.Model:
    x = inputs = L.Input((64, 8))
    for rate in (1, 2, 4):
        y = L.Conv1D(16, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
        x = L.Add()([L.Conv1D(16, 1)(x), y])
    x = L.Flatten()(x)
    return keras.Model(inputs, L.Dense(4)(x))


def tcn_dilated_same() -> keras.Model:
    x = inputs = L.Input((60, 6))
    for rate in (2, 4, 8):
        x = L.Conv1D(12, 3, padding="same", dilation_rate=rate, activation="relu")(x)
        x = L.SeparableConv1D(12, 3, padding="same", activation="relu")(x)
    x = x[:, -1, :]
    return keras.Model(inputs, L.Dense(4)(x))


def tc_resnet() -> keras.Model:
    """TC-ResNet: MFCCs as channels, kernels 9x1."""
    x = inputs = L.Input((98, 1, 40))
    x = L.Conv2D(16, (3, 1), padding="same", use_bias=False)(x)
    for filters in (24, 32, 48):
        y = L.Conv2D(filters, (9, 1), (2, 1), padding="same", use_bias=False)(x)
        y = L.ReLU()(L.BatchNormalization()(y))
        y = L.BatchNormalization()(L.Conv2D(filters, (9, 1), padding="same", use_bias=False)(y))
        s = L.Conv2D(filters, 1, (2, 1), padding="same", use_bias=False)(x)
        x = L.ReLU()(L.Add()([y, L.ReLU()(L.BatchNormalization()(s))]))
    x = L.AveragePooling2D((13, 1))(x)
    x = L.Conv2D(12, 1)(x)
    return keras.Model(inputs, L.Softmax()(L.Flatten()(x)))


def ds_cnn() -> keras.Model:
    x = inputs = L.Input((49, 10, 1))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(64, (10, 4), (2, 2), padding="same")(x)))
    for _ in range(4):
        x = L.ReLU()(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same")(x)))
        x = L.ReLU()(L.BatchNormalization()(L.Conv2D(64, 1, padding="same")(x)))
    x = L.AveragePooling2D((25, 5))(x)
    return keras.Model(inputs, L.Dense(12, activation="softmax")(L.Flatten()(x)))


def micro_speech() -> keras.Model:
    """TensorFlow Lite Micro's example: tiny_conv on 49x40, with its own reshape."""
    x = inputs = L.Input((1960,))
    x = L.Reshape((49, 40, 1))(x)
    x = L.DepthwiseConv2D((10, 8), 2, depth_multiplier=8, padding="same", activation="relu")(x)
    return keras.Model(inputs, L.Dense(4, activation="softmax")(L.Flatten()(x)))


def yamnet_head() -> keras.Model:
    x = inputs = L.Input((96, 64))
    x = L.Reshape((96, 64, 1))(x)
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, 2, padding="same")(x)))
    for filters, stride in [(16, 1), (32, 2), (32, 1), (64, 2)]:
        x = L.ReLU()(L.BatchNormalization()(L.DepthwiseConv2D(3, stride, padding="same")(x)))
        x = L.ReLU()(L.BatchNormalization()(L.Conv2D(filters, 1)(x)))
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, [L.Dense(8, activation="sigmoid")(x), x])


def gru_unrolled() -> keras.Model:
    x = inputs = L.Input((8, 10), batch_size=1)
    x = L.GRU(12, unroll=True)(x)
    return keras.Model(inputs, L.Dense(4, activation="softmax")(x))


def lstm_unrolled() -> keras.Model:
    x = inputs = L.Input((6, 10), batch_size=1)
    x = L.LSTM(12, unroll=True, return_sequences=True)(x)
    return keras.Model(inputs, L.Dense(4)(x))


def lstm_fused() -> keras.Model:
    x = inputs = L.Input((16, 10), batch_size=1)
    x = L.LSTM(12)(x)
    return keras.Model(inputs, L.Dense(4)(x))


def attention() -> keras.Model:
    x = inputs = L.Input((16, 24), batch_size=1)
    y = L.MultiHeadAttention(2, 12)(x, x)
    x = L.LayerNormalization()(L.Add()([x, y]))
    y = L.Dense(24)(L.Dense(48, activation="relu")(x))
    x = L.LayerNormalization()(L.Add()([x, y]))
    x = L.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, L.Dense(4, activation="softmax")(x))


def attention_gelu() -> keras.Model:
    x = inputs = L.Input((12, 16), batch_size=1)
    q, k, v = (L.Dense(16)(x) for _ in range(3))
    s = L.Softmax()(Op(lambda q, k: tf.matmul(q, k, transpose_b=True) * 0.25)(q, k))
    x = L.Add()([x, Op(tf.matmul)(s, v)])
    x = L.Dense(16)(L.Dense(32, activation="gelu")(x))
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))


def vision_transformer() -> keras.Model:
    x = inputs = L.Input((24, 24, 3), batch_size=1)
    x = L.Conv2D(16, 6, 6)(x)
    x = L.Reshape((16, 16))(x)
    x = Op(
        lambda x: x + tf.constant(np.random.default_rng(2).normal(size=(1, 16, 16)), tf.float32)
    )(x)
    y = L.LayerNormalization()(x)
    y = L.MultiHeadAttention(2, 8)(y, y)
    x = L.Add()([x, y])
    x = L.Add()([x, L.Dense(16)(L.Dense(32, activation="relu")(L.LayerNormalization()(x)))])
    return keras.Model(inputs, L.Dense(5)(x[:, 0]))


def two_inputs() -> keras.Model:
    image, numbers = L.Input((24, 24, 1)), L.Input((5,))
    x = L.Flatten()(L.MaxPooling2D(4)(L.Conv2D(8, 3, activation="relu")(image)))
    y = L.Dense(10, activation="relu")(numbers)
    z = L.Concatenate()([x, y])
    return keras.Model([image, numbers], [L.Dense(3, activation="softmax")(z), L.Dense(1)(z)])


def siamese() -> keras.Model:
    left, right = L.Input((16, 16, 1)), L.Input((16, 16, 1))
    tower = keras.Sequential(
        [L.Input((16, 16, 1)), L.Conv2D(8, 3, activation="relu"), L.Flatten(), L.Dense(8)]
    )
    a, b = tower(left), tower(right)
    d = Op(lambda a, b: tf.abs(a - b))(a, b)
    e = Op(lambda a, b: tf.reduce_sum(tf.square(a - b), -1, keepdims=True))(a, b)
    f = Op(lambda a, b: tf.nn.l2_normalize(a, -1) * tf.nn.l2_normalize(b, -1))(a, b)
    return keras.Model([left, right], [L.Dense(1, activation="sigmoid")(d), e, f])


def batch_of_four() -> keras.Model:
    x = inputs = L.Input((16, 16, 3), batch_size=4)
    x = L.Conv2D(8, 3, 2, padding="same", activation="relu")(x)
    x = L.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = L.Conv2D(10, 1)(x)
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(5, activation="softmax")(x))


def split_pack_gather() -> keras.Model:
    x = inputs = L.Input((12, 8), batch_size=1)
    a, b = Op(lambda x: tf.split(x, 2, axis=-1))(x)
    parts = Op(lambda x: tf.split(x, [3, 4, 5], axis=1))(x)
    c = Op(lambda a, b: tf.stack([a, b], axis=1))(a, b)
    d = Op(lambda x: tf.unstack(x, axis=1)[3])(x)
    e = Op(lambda x: tf.gather(x, [0, 3, 5, 5], axis=1))(x)
    f = Op(lambda x: x[:, ::2, 1:-1])(x)
    g = Op(lambda x: tf.reverse(x, [1]))(x)
    h = Op(lambda x: tf.tile(x[:, :1], [1, 3, 1]))(x)
    flat = [L.Flatten()(t) for t in (c, d, e, f, g, h, parts[1])]
    return keras.Model(inputs, L.Dense(4)(L.Concatenate()(flat)))


def elementwise_math() -> keras.Model:
    x = inputs = L.Input((10, 8), batch_size=1)
    y = L.Dense(8)(x)
    outs = [
        Op(tf.abs)(y),
        Op(lambda y: -y)(y),
        Op(tf.square)(y),
        Op(lambda y: tf.exp(-tf.abs(y)))(y),
        Op(lambda y: tf.math.rsqrt(tf.abs(y) + 0.5))(y),
        Op(lambda y: tf.sqrt(tf.abs(y) + 0.1))(y),
        Op(lambda y: tf.math.log(tf.abs(y) + 0.5))(y),
        Op(tf.nn.elu)(y),
        Op(tf.nn.softplus)(y),
        Op(tf.sin)(y),
    ]
    return keras.Model(inputs, outs)


def reductions() -> keras.Model:
    x = inputs = L.Input((6, 10, 8), batch_size=1)
    y = L.Conv2D(8, 1)(x)
    outs = [
        Op(lambda y: tf.reduce_sum(y, [1, 2]))(y),
        Op(lambda y: tf.reduce_max(y, [1, 2]))(y),
        Op(lambda y: tf.reduce_min(y, -1))(y),
        Op(lambda y: tf.reduce_mean(y, 1))(y),
        Op(lambda y: tf.math.squared_difference(y, tf.reduce_mean(y, [1, 2], keepdims=True)))(y),
        Op(lambda y: tf.nn.log_softmax(tf.reshape(y, (60, 8))))(y),
        Op(lambda y: tf.argmax(y, -1, output_type=tf.int32))(y),
    ]
    return keras.Model(inputs, outs)


def mirror_pad_style() -> keras.Model:
    x = inputs = L.Input((20, 20, 3), batch_size=1)
    x = Op(lambda x: tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]], "REFLECT"))(x)
    x = L.Conv2D(8, 5, activation="relu")(x)
    x = Op(lambda x: tf.image.resize(x, (10, 10)))(x)
    x = L.Cropping2D(((1, 1), (2, 1)))(x)
    x = Op(lambda x: tf.clip_by_value(x, 0.0, 1.0))(x)
    return keras.Model(inputs, L.Conv2D(3, 1)(x))


def normalised_dense() -> keras.Model:
    x = inputs = L.Input((33,))
    for units in (24, 24):
        x = L.Dense(units)(x)
        x = L.LayerNormalization()(x)
        x = L.Activation("silu")(x)
    x = L.Dense(3)(x)
    return keras.Model(inputs, L.UnitNormalization()(x))


def embedding_text() -> keras.Model:
    """Token numbers through an embedding, averaged."""
    x = inputs = L.Input((16,), dtype="int32")
    x = L.Embedding(100, 12)(x)
    x = L.Conv1D(16, 3, activation="relu")(x)
    x = L.GlobalMaxPooling1D()(x)
    return keras.Model(inputs, L.Dense(2, activation="softmax")(x))


def time_distributed() -> keras.Model:
    x = inputs = L.Input((4, 16, 16, 1), batch_size=1)
    x = L.TimeDistributed(L.Conv2D(6, 3, activation="relu"))(x)
    x = L.TimeDistributed(L.GlobalAveragePooling2D())(x)
    x = L.Conv1D(8, 2, activation="relu")(x)
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))


def conv3d_gesture() -> keras.Model:
    x = inputs = L.Input((8, 12, 12, 1), batch_size=1)
    x = L.Conv3D(4, 3, activation="relu")(x)
    x = L.GlobalAveragePooling3D()(x)
    return keras.Model(inputs, L.Dense(3)(x))


def tiny_dense() -> keras.Model:
    """The hello-world sine model."""
    x = inputs = L.Input((1,))
    x = L.Dense(16, activation="relu")(L.Dense(16, activation="relu")(x))
    return keras.Model(inputs, L.Dense(1)(x))


def wavenet_gated() -> keras.Model:
    x = inputs = L.Input((48, 4), batch_size=1)
    skips = []
    x = L.Conv1D(8, 1)(x)
    for rate in (1, 2, 4):
        a = L.Conv1D(8, 2, padding="causal", dilation_rate=rate, activation="tanh")(x)
        b = L.Conv1D(8, 2, padding="causal", dilation_rate=rate, activation="sigmoid")(x)
        y = L.Conv1D(8, 1)(L.Multiply()([a, b]))
        skips.append(y)
        x = L.Add()([x, y])
    s = L.ReLU()(L.Add()(skips))
    return keras.Model(inputs, L.Conv1D(3, 1)(s))


SIGNALS = (
    anomaly_autoencoder,
    conv_autoencoder,
    accelerometer_conv1d,
    ecg_conv1d,
    tcn_causal,
    tcn_dilated_same,
    tc_resnet,
    ds_cnn,
    micro_speech,
    yamnet_head,
    gru_unrolled,
    lstm_unrolled,
    lstm_fused,
    attention,
    attention_gelu,
    vision_transformer,
    two_inputs,
    siamese,
    batch_of_four,
    split_pack_gather,
    elementwise_math,
    reductions,
    mirror_pad_style,
    normalised_dense,
    embedding_text,
    time_distributed,
    conv3d_gesture,
    tiny_dense,
    wavenet_gated,
)
