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
from usim.models.operators.concatenation import Concatenation, Pack
from usim.models.operators.conv_2d import Conv2D
from usim.models.operators.depth_to_space import DepthToSpace, SpaceToDepth
from usim.models.operators.depthwise_conv_2d import DepthwiseConv2D
from usim.models.operators.float_unary import Neg, Square
from usim.models.operators.fully_connected import FullyConnected
from usim.models.operators.gather import Gather
from usim.models.operators.l2_normalization import L2Normalization
from usim.models.operators.lstm import UnidirectionalSequenceLstm
from usim.models.operators.maximum_minimum import Maximum, Minimum
from usim.models.operators.mirror_pad import MirrorPad
from usim.models.operators.mul import Mul
from usim.models.operators.pad import Pad, PadV2
from usim.models.operators.pool_2d import AveragePool2D, MaxPool2D
from usim.models.operators.prelu import Prelu
from usim.models.operators.quantize import Dequantize, Quantize
from usim.models.operators.reduce import Mean, ReduceMax, ReduceMin, Sum
from usim.models.operators.reshape import ExpandDims, Reshape, Squeeze
from usim.models.operators.resize import ResizeBilinear, ResizeNearestNeighbor
from usim.models.operators.shape import Shape
from usim.models.operators.slices import Slice, StridedSlice
from usim.models.operators.softmax import Softmax
from usim.models.operators.space_to_batch import BatchToSpaceNd, SpaceToBatchNd
from usim.models.operators.split import Split, SplitV, Unpack
from usim.models.operators.squared_difference import SquaredDifference
from usim.models.operators.svdf import Svdf
from usim.models.operators.tile import Tile
from usim.models.operators.transpose import Transpose
from usim.models.operators.transpose_conv import TransposeConv
from usim.models.operators.unary import Abs, Elu, Rsqrt

OPERATORS: Mapping[str, Recipe] = MappingProxyType(
    {
        "ABS": Abs(),
        "ADD": Add(),
        "ARG_MAX": ArgMax(),
        "AVERAGE_POOL_2D": AveragePool2D(),
        "BATCH_MATMUL": BatchMatMul(),
        "BATCH_TO_SPACE_ND": BatchToSpaceNd(),
        "CONCATENATION": Concatenation(),
        "CONV_2D": Conv2D(),
        "DEPTHWISE_CONV_2D": DepthwiseConv2D(),
        "DEPTH_TO_SPACE": DepthToSpace(),
        "DEQUANTIZE": Dequantize(),
        "ELU": Elu(),
        "EXPAND_DIMS": ExpandDims(),
        "FULLY_CONNECTED": FullyConnected(),
        "GATHER": Gather(),
        "HARD_SWISH": HardSwish(),
        "L2_NORMALIZATION": L2Normalization(),
        "LEAKY_RELU": LeakyRelu(),
        "LOGISTIC": Logistic(),
        "MAXIMUM": Maximum(),
        "MAX_POOL_2D": MaxPool2D(),
        "MEAN": Mean(),
        "MINIMUM": Minimum(),
        "MIRROR_PAD": MirrorPad(),
        "MUL": Mul(),
        "NEG": Neg(),
        "PACK": Pack(),
        "PAD": Pad(),
        "PADV2": PadV2(),
        "PRELU": Prelu(),
        "QUANTIZE": Quantize(),
        "REDUCE_MAX": ReduceMax(),
        "REDUCE_MIN": ReduceMin(),
        "RELU": Relu(),
        "RELU6": Relu6(),
        "RESHAPE": Reshape(),
        "RESIZE_BILINEAR": ResizeBilinear(),
        "RESIZE_NEAREST_NEIGHBOR": ResizeNearestNeighbor(),
        "RSQRT": Rsqrt(),
        "SHAPE": Shape(),
        "SLICE": Slice(),
        "SOFTMAX": Softmax(),
        "SPACE_TO_BATCH_ND": SpaceToBatchNd(),
        "SPACE_TO_DEPTH": SpaceToDepth(),
        "SPLIT": Split(),
        "SPLIT_V": SplitV(),
        "SQUARE": Square(),
        "SQUARED_DIFFERENCE": SquaredDifference(),
        "SQUEEZE": Squeeze(),
        "STRIDED_SLICE": StridedSlice(),
        "SUB": Sub(),
        "SUM": Sum(),
        "SVDF": Svdf(),
        "TANH": Tanh(),
        "TILE": Tile(),
        "TRANSPOSE": Transpose(),
        "TRANSPOSE_CONV": TransposeConv(),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": UnidirectionalSequenceLstm(),
        "UNPACK": Unpack(),
    }
)
"""By TFLite's name of the operator."""
