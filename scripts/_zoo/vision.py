"""Networks on pictures: the families that run on microcontrollers, small."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

L = keras.layers


def _conv(
    x: Any, filters: int, size: Any = 3, stride: int = 1, act: str | None = "relu6", **k: Any
) -> Any:
    x = L.Conv2D(filters, size, stride, padding="same", use_bias=False, **k)(x)
    x = L.BatchNormalization()(x)
    return L.Activation(act)(x) if act else x


def _depthwise(x: Any, size: int = 3, stride: int = 1, act: str | None = "relu6", **k: Any) -> Any:
    x = L.DepthwiseConv2D(size, stride, padding="same", use_bias=False, **k)(x)
    x = L.BatchNormalization()(x)
    return L.Activation(act)(x) if act else x


def mobilenet_v1_vww() -> keras.Model:
    """MLPerf Tiny's visual wake words: MobileNetV1, width 0.25, 96x96."""
    x = inputs = L.Input((96, 96, 3))
    x = _conv(x, 8, 3, 2, "relu")
    steps = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)]
    steps += [(128, 1)] * 5 + [(256, 2), (256, 1)]
    for filters, stride in steps:
        x = _depthwise(x, 3, stride, "relu")
        x = _conv(x, filters, 1, 1, "relu")
    x = L.AveragePooling2D(3)(x)
    x = L.Flatten()(x)
    return keras.Model(inputs, L.Dense(2, activation="softmax")(x))


def _inverted(
    x: Any,
    filters: int,
    stride: int,
    expand: int,
    act: str = "relu6",
    size: int = 3,
    squeeze: bool = False,
) -> Any:
    source = x
    if expand > 1:
        x = _conv(x, x.shape[-1] * expand, 1, 1, act)
    x = _depthwise(x, size, stride, act)
    if squeeze:
        x = _squeeze_excite(x)
    x = _conv(x, filters, 1, 1, None)
    return L.Add()([source, x]) if stride == 1 and source.shape[-1] == filters else x


def mobilenet_v2() -> keras.Model:
    """Width 0.35, 64x64."""
    x = inputs = L.Input((64, 64, 3))
    x = _conv(x, 16, 3, 2)
    for expand, filters, count, stride in [
        (1, 8, 1, 1),
        (6, 8, 2, 2),
        (6, 16, 2, 2),
        (6, 24, 2, 2),
        (6, 32, 1, 1),
        (6, 56, 2, 2),
    ]:
        for i in range(count):
            x = _inverted(x, filters, stride if i == 0 else 1, expand)
    x = _conv(x, 256, 1)
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(10, activation="softmax")(x))


def _hard_sigmoid(x: Any) -> Any:
    return L.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)


def _squeeze_excite(x: Any) -> Any:
    channels = x.shape[-1]
    s = L.GlobalAveragePooling2D(keepdims=True)(x)
    s = L.Conv2D(max(channels // 4, 4), 1, activation="relu")(s)
    s = _hard_sigmoid(L.Conv2D(channels, 1)(s))
    return L.Multiply()([x, s])


def mobilenet_v3() -> keras.Model:
    x = inputs = L.Input((64, 64, 3))
    x = _conv(x, 8, 3, 2, "hard_swish")
    x = _inverted(x, 8, 2, 1, "relu", 3, True)
    x = _inverted(x, 12, 2, 4, "relu", 3)
    x = _inverted(x, 12, 1, 3, "relu", 3)
    x = _inverted(x, 20, 2, 4, "hard_swish", 5, True)
    x = _inverted(x, 20, 1, 6, "hard_swish", 5, True)
    x = _conv(x, 96, 1, 1, "hard_swish")
    x = L.GlobalAveragePooling2D(keepdims=True)(x)
    x = L.Conv2D(64, 1, activation="hard_swish")(x)
    x = L.Conv2D(10, 1)(x)
    return keras.Model(inputs, L.Softmax()(L.Flatten()(x)))


def keras_mobilenet_v3() -> keras.Model:
    """Keras' own builder."""
    return keras.applications.MobileNetV3Small(
        input_shape=(64, 64, 3),
        alpha=0.35,
        minimalistic=False,
        weights=None,
        classes=4,
        include_preprocessing=False,
    )


def keras_mobilenet_v3_preprocessing() -> keras.Model:
    return keras.applications.MobileNetV3Small(
        input_shape=(32, 32, 3), alpha=0.35, minimalistic=True, weights=None, classes=4
    )


def efficientnet() -> keras.Model:
    """EfficientNet with swish and squeeze-excite by dense layers."""
    x = inputs = L.Input((48, 48, 3))
    x = _conv(x, 8, 3, 2, "silu")
    for filters, stride, size in [(8, 1, 3), (12, 2, 3), (12, 1, 3), (20, 2, 5), (20, 1, 5)]:
        source = x
        wide = x.shape[-1] * 4
        x = _conv(x, wide, 1, 1, "silu")
        x = _depthwise(x, size, stride, "silu")
        s = L.GlobalAveragePooling2D()(x)
        s = L.Reshape((1, 1, wide))(s)
        s = L.Conv2D(max(wide // 8, 2), 1, activation="silu")(s)
        s = L.Conv2D(wide, 1, activation="sigmoid")(s)
        x = L.Multiply()([x, s])
        x = _conv(x, filters, 1, 1, None)
        if stride == 1 and source.shape[-1] == filters:
            x = L.Add()([x, source])
    x = L.GlobalAveragePooling2D()(x)
    x = L.Dropout(0.2)(x)
    return keras.Model(inputs, L.Dense(5, activation="softmax")(x))


def efficientnet_lite() -> keras.Model:
    x = inputs = L.Input((56, 56, 3))
    x = _conv(x, 16, 3, 2)
    for expand, filters, stride, size in [
        (1, 8, 1, 3),
        (6, 12, 2, 3),
        (6, 12, 1, 3),
        (6, 20, 2, 5),
        (6, 20, 1, 5),
        (6, 40, 2, 3),
    ]:
        x = _inverted(x, filters, stride, expand, "relu6", size)
    x = _conv(x, 128, 1)
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(10)(x))


def squeezenet() -> keras.Model:
    x = inputs = L.Input((48, 48, 3))
    x = L.Conv2D(24, 3, 2, activation="relu")(x)
    x = L.MaxPooling2D(3, 2)(x)
    for squeeze, expand in [(6, 16), (6, 16), (12, 32)]:
        s = L.Conv2D(squeeze, 1, activation="relu")(x)
        x = L.Concatenate()(
            [
                L.Conv2D(expand, 1, activation="relu")(s),
                L.Conv2D(expand, 3, padding="same", activation="relu")(s),
            ]
        )
    x = L.MaxPooling2D(3, 2)(x)
    x = L.Conv2D(7, 1, activation="relu")(x)
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Softmax()(x))


def inception() -> keras.Model:
    x = inputs = L.Input((32, 32, 1))
    x = _conv(x, 12, 5, 2, "relu")
    for width in (8, 10):
        a = _conv(x, width, 1, 1, "relu")
        b = _conv(_conv(x, width, 1, 1, "relu"), width, 3, 1, "relu")
        c = _conv(_conv(x, 5, 1, 1, "relu"), width, (1, 5), 1, "relu")
        c = _conv(c, width, (5, 1), 1, "relu")
        d = _conv(L.AveragePooling2D(3, 1, padding="same")(x), 5, 1, 1, "relu")
        x = L.Concatenate()([a, b, c, d])
    x = L.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, L.Dense(3, activation="softmax")(x))


def densenet() -> keras.Model:
    x = inputs = L.Input((32, 32, 3))
    x = L.Conv2D(12, 3, padding="same")(x)
    for _ in range(2):
        for _ in range(4):
            y = L.ReLU()(L.BatchNormalization()(x))
            y = L.Conv2D(24, 1, use_bias=False)(y)
            y = L.ReLU()(L.BatchNormalization()(y))
            y = L.Conv2D(6, 3, padding="same", use_bias=False)(y)
            x = L.Concatenate()([x, y])
        x = L.ReLU()(L.BatchNormalization()(x))
        x = L.Conv2D(x.shape[-1] // 2, 1, use_bias=False)(x)
        x = L.AveragePooling2D(2)(x)
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(10, activation="softmax")(x))


def _unet(up: Any) -> keras.Model:
    x = inputs = L.Input((48, 48, 1), batch_size=1)
    skips = []
    for filters in (8, 16):
        x = L.Conv2D(filters, 3, padding="same", activation="relu")(x)
        skips.append(x)
        x = L.MaxPooling2D(2)(x)
    x = L.Conv2D(24, 3, padding="same", activation="relu")(x)
    for filters, skip in zip((16, 8), reversed(skips), strict=True):
        x = L.Concatenate()([up(x, filters), skip])
        x = L.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, L.Conv2D(1, 1, activation="sigmoid")(x))


def unet_transposed() -> keras.Model:
    return _unet(lambda x, filters: L.Conv2DTranspose(filters, 2, 2, padding="same")(x))


def unet_nearest() -> keras.Model:
    return _unet(lambda x, filters: L.Conv2D(filters, 3, padding="same")(L.UpSampling2D(2)(x)))


def unet_bilinear() -> keras.Model:
    return _unet(lambda x, filters: L.UpSampling2D(2, interpolation="bilinear")(x))


def dilated_resnet() -> keras.Model:
    x = inputs = L.Input((40, 40, 3))
    x = _conv(x, 16, 3, 2, "relu")
    for rate in (1, 2, 4):
        y = _conv(x, 16, 3, 1, "relu", dilation_rate=rate)
        y = _conv(y, 16, 3, 1, None, dilation_rate=rate)
        x = L.ReLU()(L.Add()([x, y]))
    d = L.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x)
    x = L.Add()([L.ReLU()(d), x])
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(10)(x))


def padded_resnet() -> keras.Model:
    """Explicit padding before valid convolutions, as PyTorch's networks have it."""
    x = inputs = L.Input((33, 33, 3))
    x = L.ZeroPadding2D(1)(x)
    x = L.Conv2D(16, 3, 2, activation="relu")(x)
    for filters, stride in [(16, 1), (24, 2), (40, 2)]:
        y = L.ZeroPadding2D(1)(x)
        y = L.Conv2D(filters, 3, stride)(y)
        y = L.PReLU(shared_axes=[1, 2])(y)
        y = L.ZeroPadding2D(((1, 1), (1, 1)))(y)
        y = L.Conv2D(filters, 3)(y)
        x = x if x.shape == y.shape else L.Conv2D(filters, 1, stride)(x)
        x = L.LeakyReLU(negative_slope=0.1)(L.Add()([x, y]))
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(6)(x))


def shufflenet() -> keras.Model:
    """Channel split and shuffle, by reshape and transpose."""
    x = inputs = L.Input((32, 32, 3))
    x = _conv(x, 16, 3, 2, "relu")
    for _ in range(3):
        left, right = x[..., :8], x[..., 8:]
        right = _conv(right, 8, 1, 1, "relu")
        right = _depthwise(right, 3, 1, None)
        right = _conv(right, 8, 1, 1, "relu")
        x = L.Concatenate()([left, right])
        x = L.Reshape((16, 16, 2, 8))(x)
        x = L.Permute((1, 2, 4, 3))(x)
        x = L.Reshape((16, 16, 16))(x)
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(10, activation="softmax")(x))


def detector() -> keras.Model:
    """Two scales, boxes and scores as two outputs."""
    x = inputs = L.Input((64, 64, 3))
    boxes, scores = [], []
    x = _conv(x, 8, 3, 2)
    for filters in (16, 24, 32):
        x = _conv(_depthwise(x, 3, 2), filters, 1)
        if filters > 16:
            boxes.append(L.Reshape((-1, 4))(L.Conv2D(12, 3, padding="same")(x)))
            scores.append(L.Reshape((-1, 3))(L.Conv2D(9, 3, padding="same")(x)))
    box = L.Concatenate(axis=1)(boxes)
    score = L.Activation("sigmoid")(L.Concatenate(axis=1)(scores))
    return keras.Model(inputs, [box, score])


def fomo() -> keras.Model:
    """Edge Impulse's detector of centroids: a cut MobileNetV2 with a softmax on a grid."""
    x = inputs = L.Input((96, 96, 1))
    x = _conv(x, 16, 3, 2)
    x = _inverted(x, 8, 1, 1)
    for filters, stride in [(8, 2), (8, 1), (16, 2), (16, 1)]:
        x = _inverted(x, filters, stride, 6)
    x = _conv(x, 96, 1)
    x = L.Conv2D(32, 1, activation="relu")(x)
    return keras.Model(inputs, L.Softmax()(L.Conv2D(3, 1)(x)))


def superresolution() -> keras.Model:
    """ESPCN: DEPTH_TO_SPACE."""

    class Shuffle(L.Layer):
        def call(self, x: Any) -> Any:
            return tf.nn.depth_to_space(x, 2)

    class Unshuffle(L.Layer):
        def call(self, x: Any) -> Any:
            return tf.nn.space_to_depth(x, 2)

    x = inputs = L.Input((32, 32, 1))
    x = L.Conv2D(16, 5, padding="same", activation="tanh")(Unshuffle()(x))
    x = L.Conv2D(8, 3, padding="same", activation="elu")(x)
    return keras.Model(inputs, Shuffle()(L.Conv2D(4, 3, padding="same")(x)))


def grouped_resnext() -> keras.Model:
    x = inputs = L.Input((32, 32, 3))
    x = _conv(x, 16, 3, 2, "relu")
    y = L.Conv2D(16, 3, padding="same", groups=4)(x)
    x = L.Add()([x, L.ReLU()(y)])
    x = L.SeparableConv2D(24, 3, padding="same", activation="relu", depth_multiplier=2)(x)
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, L.Dense(10)(x))


def lenet_gray() -> keras.Model:
    x = inputs = L.Input((28, 28, 1))
    x = L.Conv2D(6, 5, activation="tanh", padding="same")(x)
    x = L.AveragePooling2D(2)(x)
    x = L.Conv2D(16, 5, activation="tanh")(x)
    x = L.AveragePooling2D(2)(x)
    x = L.Flatten()(x)
    x = L.Dense(120, activation="tanh")(x)
    x = L.Dense(84, activation="tanh")(x)
    return keras.Model(inputs, L.Dense(10, activation="softmax")(x))


def keras_mnist_rescaling() -> keras.Model:
    """The TensorFlow tutorial's: Rescaling on 0..255, and odd channel counts."""
    x = inputs = L.Input((30, 30, 3))
    x = L.Rescaling(1.0 / 127.5, offset=-1)(x)
    x = L.Normalization(mean=[0.1, 0.2, 0.0], variance=[0.9, 1.1, 1.0])(x)
    x = L.Conv2D(13, 3, activation="relu")(x)
    x = L.MaxPooling2D(2)(x)
    x = L.Conv2D(27, 3, activation="relu")(x)
    x = L.MaxPooling2D(2)(x)
    x = L.Flatten()(x)
    x = L.Dense(50, activation="relu")(x)
    return keras.Model(inputs, L.Dense(7)(x))


VISION = (
    mobilenet_v1_vww,
    mobilenet_v2,
    mobilenet_v3,
    keras_mobilenet_v3,
    keras_mobilenet_v3_preprocessing,
    efficientnet,
    efficientnet_lite,
    squeezenet,
    inception,
    densenet,
    unet_transposed,
    unet_nearest,
    unet_bilinear,
    dilated_resnet,
    padded_resnet,
    shufflenet,
    detector,
    fomo,
    superresolution,
    grouped_resnext,
    lenet_gray,
    keras_mnist_rescaling,
)
