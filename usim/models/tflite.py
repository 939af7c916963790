"""Reads a .tflite file into a Graph; nothing in the file is trusted.

Every offset is checked first, so that the accessors of the PyPI package `tflite`, which trust what
they read, stay inside the file. What is read is bounded here and in `verifier`, so that neither a
small file nor a large one takes much memory or time; docs/architecture.md has the bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.errors import ModelError
from usim.models.dilation import join_dilations
from usim.models.flatbuffer import check_flatbuffer
from usim.models.folding import fold
from usim.models.graph import ITEM_BYTES, Graph, Operator, Options, TensorSpec, Unsupported
from usim.models.operators import OPERATORS
from usim.models.swish import join_swishes
from usim.models.tflite_quantization import read_quantization
from usim.models.tflite_schema import MODEL
from usim.models.verifier import verify

_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
_MAX_RANK = 8
MAX_FILE_BYTES = 64 << 20
"""Four times what the largest platform has."""
_MAX_TENSOR_BYTES = 1 << 30
_MAX_SCALES = 1 << 20
_MAX_NAMED = 8
"""Of a list in a message: it is to stay a line."""

_TYPE_NAMES: dict[int, str] = {
    number: name for name, number in vars(tflite.TensorType).items() if isinstance(number, int)
}
_OPERATOR_NAMES: dict[int, str] = {
    number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)
}


def load_graph(path: str | Path, *, keep_unsupported: bool = False) -> Graph:
    """Read a file; ModelError says in one line what is wrong with it.

    `keep_unsupported`: operators that usim does not have become `Unsupported` instead of an error.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise ModelError(f"{path}: cannot read the model: {exc.strerror}", file=str(path)) from exc
    return read_graph(data, str(path), keep_unsupported=keep_unsupported)


def read_graph(data: bytes, file: str = "model", *, keep_unsupported: bool = False) -> Graph:
    """Read a model's bytes; `file` is its name in messages. See `load_graph`."""
    if len(data) < 8 or data[4:8] != _IDENTIFIER:
        raise ModelError(
            f"{file}: not a TFLite model (no 'TFL3' identifier); see TFLiteConverter", file=file
        )
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(
            f"{file}: the file is too large; at most {MAX_FILE_BYTES:,} bytes are supported",
            file=file,
        )
    try:
        check_flatbuffer(data, MODEL)
    except ModelError as exc:
        raise ModelError(f"{file}: {exc}", file=file) from exc
    graph = _Reader(data, file, keep_unsupported=keep_unsupported).graph()
    verify(graph)
    return join_swishes(join_dilations(fold(graph)))


class _Reader:
    """One pass over one file."""

    def __init__(self, data: bytes, file: str, *, keep_unsupported: bool) -> None:
        self._keep_unsupported = keep_unsupported
        self._file = file
        self._model: Any = tflite.Model.GetRootAs(data, 0)
        self._scales = 0

    def graph(self) -> Graph:
        if self._model.Version() != _SCHEMA_VERSION:
            raise self._error(f"TFLite schema version {self._model.Version()}, not 3")
        count = self._model.SubgraphsLength()
        if count != 1:
            raise self._error(f"{count} subgraphs; only models with a single one are supported")
        subgraph = self._model.Subgraphs(0)
        if not self._keep_unsupported:
            self._expect_known_kinds(subgraph)
        count = subgraph.TensorsLength()
        operators = tuple(
            self._operator(subgraph.Operators(i), i, count)
            for i in range(subgraph.OperatorsLength())
        )
        inputs = self._indices(subgraph.InputsAsNumpy(), count, "the model's inputs")
        outputs = self._indices(subgraph.OutputsAsNumpy(), count, "the model's outputs")
        used = {*inputs, *outputs}
        used.update(index for item in operators for index in (*item.inputs, *item.outputs))
        return Graph(
            file=self._file,
            description=_text(self._model.Description()),
            tensors=tuple(
                self._tensor(subgraph.Tensors(i), i, used=i in used) for i in range(count)
            ),
            operators=operators,
            inputs=inputs,
            outputs=outputs,
        )

    def _tensor(self, table: Any, index: int, *, used: bool) -> TensorSpec:  # noqa: ANN401
        name = _text(table.Name())
        what = f"tensor {index} '{name}'"
        shape = self._shape(table, what, lowest=int(used))
        dtype = self._dtype(table, shape, what)
        if table.Sparsity() is not None:
            raise self._error(f"{what}: sparse tensors are not supported")
        self._count_scales(table.Quantization())
        try:
            quantization = read_quantization(table.Quantization(), shape, dtype)
        except ModelError as exc:
            raise self._error(f"{what}: {exc}") from exc
        data, variable = self._constant(table, shape, dtype, what), bool(table.IsVariable())
        if variable and data is not None:
            raise self._error(f"{what}: variable tensors with a value are not supported")
        return TensorSpec(index, name, shape, dtype, quantization, data, variable)

    def _count_scales(self, quantization: Any) -> None:  # noqa: ANN401
        # Before they become Python's numbers, which take eight times the room.
        if quantization is not None:
            self._scales += quantization.ScaleLength() + quantization.ZeroPointLength()
        if self._scales > _MAX_SCALES:
            raise self._error(f"more than {_MAX_SCALES:,} scales and zero points in all")

    def _shape(self, table: Any, what: str, lowest: int) -> tuple[int, ...]:  # noqa: ANN401
        """The extents, each at least `lowest`: an LSTM's converter leaves empty tensors behind,
        which no operator reads or writes."""
        rank = table.ShapeLength()
        if rank > _MAX_RANK:
            raise self._error(f"{what}: {rank} dimensions; at most {_MAX_RANK} are supported")
        shape = tuple(int(table.Shape(i)) for i in range(rank))
        if any(extent < lowest for extent in shape):
            raise self._error(f"{what}: shape {list(shape)}; every extent must be at least 1")
        signature_rank = min(table.ShapeSignatureLength(), _MAX_RANK)
        for i in range(signature_rank):
            # A free batch size is common, and means 1 here; anything else changes the kernels.
            if table.ShapeSignature(i) < 0 and not (i == 0 and shape[:1] == (1,)):
                raise self._error(
                    f"{what}: dimension {i} is dynamic; convert the model with a fixed input "
                    "shape, batch size included"
                )
        return shape

    def _dtype(self, table: Any, shape: tuple[int, ...], what: str) -> str:  # noqa: ANN401
        name = _TYPE_NAMES.get(table.Type(), f"number {table.Type()}")
        dtype = name.lower()
        if dtype not in ITEM_BYTES:
            raise self._error(f"{what}: type {name} is not supported (have: {_listed(ITEM_BYTES)})")
        size_bytes = ITEM_BYTES[dtype]
        for extent in shape:
            size_bytes *= extent
        if size_bytes > _MAX_TENSOR_BYTES:
            raise self._error(f"{what}: shape {list(shape)} needs {size_bytes} bytes")
        return dtype

    def _constant(
        self,
        table: Any,  # noqa: ANN401
        shape: tuple[int, ...],
        dtype: str,
        what: str,
    ) -> npt.NDArray[Any] | None:
        number, count = table.Buffer(), self._model.BuffersLength()
        if number >= count:
            raise self._error(f"{what}: buffer {number} of {count}")
        buffer = self._model.Buffers(number)
        if buffer.Offset() > 1:  # 0: no such field, 1: the converter's placeholder
            raise self._error(f"{what}: its data is outside the flatbuffer; not supported")
        if buffer.DataLength() == 0:
            return None
        raw: npt.NDArray[np.uint8] = buffer.DataAsNumpy()
        wanted = int(np.prod(shape, dtype=np.int64)) * ITEM_BYTES[dtype]
        if raw.size != wanted:
            raise self._error(
                f"{what}: its buffer {number} holds {raw.size} bytes, shape {list(shape)} of "
                f"{dtype} needs {wanted}"
            )
        # A view: tensors may share a buffer, and copies would let a small file fill the memory.
        return raw.view(np.dtype(dtype).newbyteorder("<")).reshape(shape)

    def _expect_known_kinds(self, subgraph: Any) -> None:  # noqa: ANN401
        """Raise ModelError with all kinds of operators that usim does not have."""
        unknown: dict[str, list[int]] = {}
        for i in range(subgraph.OperatorsLength()):
            kind = self._kind(subgraph.Operators(i).OpcodeIndex(), i)
            if kind not in OPERATORS:
                unknown.setdefault(kind, []).append(i)
        if unknown:
            named = [f"{kind} ({_some(indices)})" for kind, indices in unknown.items()]
            raise self._error(
                f"operators that are not supported: {_some(named)}; `usim inspect` shows the whole "
                "model, README.md says what is supported",
                operator=min(unknown.values())[0],
            )

    def _operator(self, table: Any, index: int, tensors: int) -> Operator:  # noqa: ANN401
        kind = self._kind(table.OpcodeIndex(), index)
        what = f"operator {index} ({kind})"
        try:
            options = self._options(table, kind, index)
        except ModelError as exc:
            if not self._keep_unsupported:
                raise
            options = Unsupported(str(exc).removeprefix(f"{self._file}: "))
        return Operator(
            index,
            kind,
            self._indices(table.InputsAsNumpy(), tensors, f"{what}: inputs", optional=True),
            self._indices(table.OutputsAsNumpy(), tensors, f"{what}: outputs"),
            options,
        )

    def _options(self, table: Any, kind: str, index: int) -> Options:  # noqa: ANN401
        recipe = OPERATORS.get(kind)
        if recipe is None:
            raise self._error(f"operator {index} is {kind}, which is not supported", operator=index)
        what = f"operator {index} ({kind})"
        union = table.BuiltinOptions()
        if recipe.options_type is not None and (
            union is None or table.BuiltinOptionsType() != recipe.options_type
        ):
            raise self._error(f"{what}: its options are missing", operator=index)
        try:
            return recipe.read_options(union)
        except ModelError as exc:
            raise self._error(f"{what}: {exc}", operator=index) from exc

    def _kind(self, number: int, index: int) -> str:
        count = self._model.OperatorCodesLength()
        if number >= count:
            raise self._error(f"operator {index}: operator code {number} of {count}")
        code = self._model.OperatorCodes(number)
        # Codes above 127 live in the newer field; older files only have the older one.
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if builtin == tflite.BuiltinOperator.CUSTOM:
            return f"CUSTOM '{_text(code.CustomCode())}'"
        return _OPERATOR_NAMES.get(builtin, f"number {builtin}")

    def _indices(
        self,
        vector: Any,  # noqa: ANN401
        limit: int,
        what: str,
        *,
        optional: bool = False,
    ) -> tuple[int, ...]:
        if not isinstance(vector, np.ndarray):  # the accessor's 0 for a vector that is absent
            return ()
        indices = tuple(int(index) for index in vector)
        lowest = -1 if optional else 0
        for index in indices:
            if not lowest <= index < limit:
                raise self._error(f"{what} name tensor {index} of {limit}")
        return indices

    def _error(self, message: str, **attributes: object) -> ModelError:
        return ModelError(f"{self._file}: {message}", file=self._file, **attributes)


def _text(raw: bytes | None) -> str:
    text = (raw or b"")[:200].decode("utf-8", errors="replace")
    return "".join(c if c.isprintable() else "?" for c in text)


def _some(items: Sequence[object]) -> str:
    """The first few, and how many more there are."""
    more = len(items) - _MAX_NAMED
    return ", ".join(map(str, items[:_MAX_NAMED])) + (f" and {more} more" if more > 0 else "")


def _listed(names: Any) -> str:  # noqa: ANN401
    return ", ".join(sorted(names))
