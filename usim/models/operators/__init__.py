"""The operators that usim supports: one recipe each, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from usim.models.operators.activations import (
    HardSwish,
    LeakyRelu,
    Logistic,
    Relu,
    Relu6,
    Tanh,
)
from usim.models.operators.add import Add, Sub
from usim.models.operators.arg_max import ArgMax
from usim.models.operators.base import Recipe
from usim.models.operators.batch_matmul import BatchMatMul
from usim.models.operators.concatenation import Concatenation, Split
from usim.models.operators.conv_2d import Conv2D
from usim.models.operators.depthwise_conv_2d import DepthwiseConv2D
from usim.models.operators.fully_connected import FullyConnected
from usim.models.operators.lstm import UnidirectionalSequenceLstm
from usim.models.operators.maximum_minimum import Maximum, Minimum
from usim.models.operators.mean import Mean
from usim.models.operators.mul import Mul
from usim.models.operators.pad import Pad, PadV2
from usim.models.operators.pool_2d import AveragePool2D, MaxPool2D
from usim.models.operators.quantize import Dequantize, Quantize
from usim.models.operators.reshape import ExpandDims, Reshape, Squeeze
from usim.models.operators.resize import ResizeBilinear, ResizeNearestNeighbor
from usim.models.operators.slices import Slice, StridedSlice
from usim.models.operators.softmax import Softmax
from usim.models.operators.svdf import Svdf
from usim.models.operators.transpose import Transpose
from usim.models.operators.transpose_conv import TransposeConv

OPERATORS: Mapping[str, Recipe] = MappingProxyType(
    {
        "ADD": Add(),
        "ARG_MAX": ArgMax(),
        "AVERAGE_POOL_2D": AveragePool2D(),
        "BATCH_MATMUL": BatchMatMul(),
        "CONCATENATION": Concatenation(),
        "CONV_2D": Conv2D(),
        "DEPTHWISE_CONV_2D": DepthwiseConv2D(),
        "DEQUANTIZE": Dequantize(),
        "EXPAND_DIMS": ExpandDims(),
        "FULLY_CONNECTED": FullyConnected(),
        "HARD_SWISH": HardSwish(),
        "LEAKY_RELU": LeakyRelu(),
        "LOGISTIC": Logistic(),
        "MAXIMUM": Maximum(),
        "MAX_POOL_2D": MaxPool2D(),
        "MEAN": Mean(),
        "MINIMUM": Minimum(),
        "MUL": Mul(),
        "PAD": Pad(),
        "PADV2": PadV2(),
        "QUANTIZE": Quantize(),
        "RELU": Relu(),
        "RELU6": Relu6(),
        "RESHAPE": Reshape(),
        "RESIZE_BILINEAR": ResizeBilinear(),
        "RESIZE_NEAREST_NEIGHBOR": ResizeNearestNeighbor(),
        "SLICE": Slice(),
        "SOFTMAX": Softmax(),
        "SPLIT": Split(),
        "SQUEEZE": Squeeze(),
        "STRIDED_SLICE": StridedSlice(),
        "SUB": Sub(),
        "SVDF": Svdf(),
        "TANH": Tanh(),
        "TRANSPOSE": Transpose(),
        "TRANSPOSE_CONV": TransposeConv(),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": UnidirectionalSequenceLstm(),
    }
)
"""By TFLite's name of the operator."""
