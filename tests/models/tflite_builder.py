"""Writes small .tflite files with the flatbuffer builders of the PyPI package `tflite`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

# Operator kind -> name of its options table in TFLite's schema.
OPTIONS = {
    "ABS": "AbsOptions",
    "ADD": "AddOptions",
    "ARG_MAX": "ArgMaxOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "BATCH_TO_SPACE_ND": "BatchToSpaceNDOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "EXPAND_DIMS": "ExpandDimsOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions",
    "HARD_SWISH": "HardSwishOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MIRROR_PAD": "MirrorPadOptions",
    "MUL": "MulOptions",
    "NEG": "NegOptions",
    "PACK": "PackOptions",
    "PAD": "PadOptions",
    "PADV2": "PadV2Options",
    "QUANTIZE": "QuantizeOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "RESHAPE": "ReshapeOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "SHAPE": "ShapeOptions",
    "SLICE": "SliceOptions",
    "SOFTMAX": "SoftmaxOptions",
    "SPACE_TO_BATCH_ND": "SpaceToBatchNDOptions",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions",
    "SPLIT": "SplitOptions",
    "SPLIT_V": "SplitVOptions",
    "SQUARE": "SquareOptions",
    "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
    "SQUEEZE": "SqueezeOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
    "SUM": "ReducerOptions",
    "SVDF": "SVDFOptions",
    "TILE": "TileOptions",
    "TRANSPOSE": "TransposeOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "UNPACK": "UnpackOptions",
}


@dataclass
class Tensor:
    shape: Sequence[int]
    scale: float | Sequence[float] | None = None
    zero_point: int | Sequence[int] = 0
    dtype: str = "int8"
    axis: int = 0
    data: np.ndarray | bytes | None = None
    name: str = "t"
    signature: Sequence[int] | None = None
    variable: bool = False


@dataclass
class Op:
    kind: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: dict[str, Any] | None = field(default_factory=dict)


class _Writer:
    """The parts of one file, children before parents as flatbuffers want it."""

    def __init__(self) -> None:
        self.b = flatbuffers.Builder(1024)

    def ints(self, values: Sequence[int]) -> int:
        return self.b.CreateNumpyVector(np.asarray(values, dtype=np.int32))

    def offsets(self, start: Callable[[Any, int], Any], offsets: Sequence[int]) -> int:
        start(self.b, len(offsets))
        for offset in reversed(offsets):
            self.b.PrependUOffsetTRelative(offset)
        return self.b.EndVector()

    def tensor(self, tensor: Tensor, buffer: int) -> int:
        name = self.b.CreateString(tensor.name)
        shape = self.ints(tensor.shape)
        signature = self.ints(tensor.signature) if tensor.signature is not None else None
        quantization = self.quantization(tensor) if tensor.scale is not None else None
        tflite.TensorStart(self.b)
        tflite.TensorAddName(self.b, name)
        tflite.TensorAddShape(self.b, shape)
        tflite.TensorAddType(self.b, getattr(tflite.TensorType, tensor.dtype.upper()))
        tflite.TensorAddBuffer(self.b, buffer)
        if tensor.variable:
            tflite.TensorAddIsVariable(self.b, True)
        if signature is not None:
            tflite.TensorAddShapeSignature(self.b, signature)
        if quantization is not None:
            tflite.TensorAddQuantization(self.b, quantization)
        return tflite.TensorEnd(self.b)

    def quantization(self, tensor: Tensor) -> int:
        scales = np.atleast_1d(np.asarray(tensor.scale, dtype=np.float32))
        zero_points = np.broadcast_to(np.asarray(tensor.zero_point, dtype=np.int64), scales.shape)
        scale_vector = self.b.CreateNumpyVector(scales)
        zero_vector = self.b.CreateNumpyVector(np.ascontiguousarray(zero_points))
        tflite.QuantizationParametersStart(self.b)
        tflite.QuantizationParametersAddScale(self.b, scale_vector)
        tflite.QuantizationParametersAddZeroPoint(self.b, zero_vector)
        tflite.QuantizationParametersAddQuantizedDimension(self.b, tensor.axis)
        return tflite.QuantizationParametersEnd(self.b)

    def buffer(self, data: np.ndarray | bytes | None) -> int:
        raw = (
            b""
            if data is None
            else bytes(np.ascontiguousarray(data).data)
            if isinstance(data, np.ndarray)
            else data
        )
        vector = None
        if raw:
            # TensorFlow Lite Micro reads constants in place and needs them aligned.
            self.b.StartVector(1, len(raw), 16)
            self.b.head -= len(raw)
            self.b.Bytes[self.b.head : self.b.head + len(raw)] = raw
            vector = self.b.EndVector()
        tflite.BufferStart(self.b)
        if vector is not None:
            tflite.BufferAddData(self.b, vector)
        return tflite.BufferEnd(self.b)

    def operator(self, op: Op, code: int) -> int:
        inputs, outputs = self.ints(op.inputs), self.ints(op.outputs)
        options = None
        table = OPTIONS.get(op.kind)
        if table is not None and op.options is not None:
            getattr(tflite, f"{table}Start")(self.b)
            for name, value in op.options.items():
                getattr(tflite, f"{table}Add{name}")(self.b, value)
            options = getattr(tflite, f"{table}End")(self.b)
        tflite.OperatorStart(self.b)
        tflite.OperatorAddOpcodeIndex(self.b, code)
        tflite.OperatorAddInputs(self.b, inputs)
        tflite.OperatorAddOutputs(self.b, outputs)
        if options is not None:
            tflite.OperatorAddBuiltinOptionsType(self.b, getattr(tflite.BuiltinOptions, table))
            tflite.OperatorAddBuiltinOptions(self.b, options)
        return tflite.OperatorEnd(self.b)

    def operator_code(self, kind: str) -> int:
        number = getattr(tflite.BuiltinOperator, kind)
        tflite.OperatorCodeStart(self.b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self.b, min(number, 127))
        tflite.OperatorCodeAddBuiltinCode(self.b, number)
        tflite.OperatorCodeAddVersion(self.b, 1)
        return tflite.OperatorCodeEnd(self.b)


def build_model(
    tensors: Sequence[Tensor],
    operators: Sequence[Op],
    inputs: Sequence[int],
    outputs: Sequence[int],
    *,
    version: int = 3,
    subgraphs: int = 1,
) -> bytes:
    """A .tflite file. Tensor i has buffer i + 1; buffer 0 is the empty one by convention.

    An object that is in `tensors` several times is written once and referred to several times.
    """
    w = _Writer()
    buffers = [w.buffer(None), *(w.buffer(tensor.data) for tensor in tensors)]
    kinds = sorted({op.kind for op in operators})
    codes = [w.operator_code(kind) for kind in kinds]
    written: dict[int, int] = {}
    for i, tensor in enumerate(tensors):
        if id(tensor) not in written:
            written[id(tensor)] = w.tensor(tensor, i + 1)
    tensor_offsets = [written[id(tensor)] for tensor in tensors]
    operator_offsets = [w.operator(op, kinds.index(op.kind)) for op in operators]
    tensor_vector = w.offsets(tflite.SubGraphStartTensorsVector, tensor_offsets)
    operator_vector = w.offsets(tflite.SubGraphStartOperatorsVector, operator_offsets)
    input_vector, output_vector = w.ints(inputs), w.ints(outputs)
    tflite.SubGraphStart(w.b)
    tflite.SubGraphAddTensors(w.b, tensor_vector)
    tflite.SubGraphAddInputs(w.b, input_vector)
    tflite.SubGraphAddOutputs(w.b, output_vector)
    tflite.SubGraphAddOperators(w.b, operator_vector)
    subgraph = tflite.SubGraphEnd(w.b)
    subgraph_vector = w.offsets(tflite.ModelStartSubgraphsVector, [subgraph] * subgraphs)
    code_vector = w.offsets(tflite.ModelStartOperatorCodesVector, codes)
    buffer_vector = w.offsets(tflite.ModelStartBuffersVector, buffers)
    tflite.ModelStart(w.b)
    tflite.ModelAddVersion(w.b, version)
    tflite.ModelAddOperatorCodes(w.b, code_vector)
    tflite.ModelAddSubgraphs(w.b, subgraph_vector)
    tflite.ModelAddBuffers(w.b, buffer_vector)
    w.b.Finish(tflite.ModelEnd(w.b), file_identifier=b"TFL3")
    return bytes(w.b.Output())
