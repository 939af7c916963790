"""The parts of TFLite's schema that usim reads, for the check that goes before; source: schema.fbs.

A field that is None is passed over. The numbers say how many tables of a kind a model may have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tflite import BuiltinOptions

from usim.models.flatbuffer import Field, Numbers, Scalar, Tables, TableType, Text, Union

MAX_TENSORS: Final = 16_384
MAX_OPERATORS: Final = 2_048
_MAX_CODES: Final = 2_048
_MAX_SUBGRAPHS: Final = 64
"""More than one is refused later, with a word on why."""

_SIZES: Final = {"b": 1, "i": 4}
OPTIONS: Final[Mapping[int, str]] = {
    BuiltinOptions.AddOptions: "b",
    BuiltinOptions.BatchMatMulOptions: "bb",
    BuiltinOptions.ConcatenationOptions: "ib",
    BuiltinOptions.Conv2DOptions: "biibii",
    BuiltinOptions.DepthToSpaceOptions: "i",
    BuiltinOptions.DepthwiseConv2DOptions: "biiibii",
    BuiltinOptions.FullyConnectedOptions: "bbbbb",
    BuiltinOptions.GatherOptions: "ii",
    BuiltinOptions.L2NormOptions: "b",
    BuiltinOptions.LeakyReluOptions: "i",
    BuiltinOptions.MirrorPadOptions: "b",
    BuiltinOptions.MulOptions: "b",
    BuiltinOptions.PackOptions: "ii",
    BuiltinOptions.Pool2DOptions: "biiiib",
    BuiltinOptions.ReducerOptions: "b",
    BuiltinOptions.ResizeBilinearOptions: "iibb",
    BuiltinOptions.ResizeNearestNeighborOptions: "bb",
    BuiltinOptions.SVDFOptions: "i",
    BuiltinOptions.SoftmaxOptions: "i",
    BuiltinOptions.SpaceToDepthOptions: "i",
    BuiltinOptions.SplitOptions: "i",
    BuiltinOptions.SplitVOptions: "i",
    BuiltinOptions.StridedSliceOptions: "iiiiib",
    BuiltinOptions.SubOptions: "b",
    BuiltinOptions.TransposeConvOptions: "biib",
    BuiltinOptions.UnidirectionalSequenceLSTMOptions: "biib",
    BuiltinOptions.UnpackOptions: "ii",
}
"""The scalars of each options table, up to the last one that a recipe reads: b of one byte, i of
four."""


def _options(number: int, scalars: str) -> TableType:
    fields: dict[str, Field] = {str(i): Scalar(_SIZES[size]) for i, size in enumerate(scalars)}
    return TableType(f"options {number}", fields)


_QUANTIZATION: Final = TableType(
    "QuantizationParameters",
    {
        "min": None,
        "max": None,
        "scale": Numbers(4),
        "zero_point": Numbers(8),
        "details_type": None,
        "details": None,
        "quantized_dimension": Scalar(4),
    },
)

_TENSOR: Final = TableType(
    "Tensor",
    {
        "shape": Numbers(4),
        "type": Scalar(1),
        "buffer": Scalar(4),
        "name": Text(),
        "quantization": _QUANTIZATION,
        "is_variable": Scalar(1),
        "sparsity": TableType("SparsityParameters"),
        "shape_signature": Numbers(4),
    },
)

_OPERATOR: Final = TableType(
    "Operator",
    {
        "opcode_index": Scalar(4),
        "inputs": Numbers(4),
        "outputs": Numbers(4),
        "builtin_options_type": Scalar(1),
        "builtin_options": Union(
            "builtin_options_type",
            {number: _options(number, scalars) for number, scalars in OPTIONS.items()},
        ),
    },
)

_SUBGRAPH: Final = TableType(
    "SubGraph",
    {
        "tensors": Tables(_TENSOR, MAX_TENSORS),
        "inputs": Numbers(4),
        "outputs": Numbers(4),
        "operators": Tables(_OPERATOR, MAX_OPERATORS),
    },
)

_OPERATOR_CODE: Final = TableType(
    "OperatorCode",
    {
        "deprecated_builtin_code": Scalar(1),
        "custom_code": Text(),
        "version": None,
        "builtin_code": Scalar(4),
    },
)

_BUFFER: Final = TableType("Buffer", {"data": Numbers(1), "offset": Scalar(8)})

MODEL: Final = TableType(
    "Model",
    {
        "version": Scalar(4),
        "operator_codes": Tables(_OPERATOR_CODE, _MAX_CODES),
        "subgraphs": Tables(_SUBGRAPH, _MAX_SUBGRAPHS),
        "description": Text(),
        "buffers": Tables(_BUFFER, 2 * MAX_TENSORS),
    },
)
"""The file's root."""
