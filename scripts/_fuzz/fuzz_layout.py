"""Where a .tflite file has its offsets, numbers and vectors, found with usim's own check."""

from __future__ import annotations

from dataclasses import dataclass, replace

from usim.models.flatbuffer import check_flatbuffer
from usim.models.tflite_schema import MODEL

SMALL_BUFFER_BYTES = 64
"""Constants up to here are axes, sizes and paddings more often than weights."""


@dataclass(frozen=True, slots=True)
class Part:
    """`size_bytes` bytes of a file, made of items of `item_bytes`."""

    what: str
    start: int
    size_bytes: int
    item_bytes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A sound file and its parts. `structure` is all but large constants and names."""

    data: bytes
    structure: tuple[Part, ...]
    constants: tuple[Part, ...]
    offsets: tuple[Part, ...]

    def values_only(self) -> Layout:
        """Without what holds the file together, so that it stays sound as a flatbuffer."""
        values = tuple(part for part in self.structure if not _holds_together(part))
        return replace(self, structure=values, offsets=())

    def named(self, what: str) -> list[Part]:
        """The parts that are called so."""
        return [part for part in self.structure if part.what == what]


def layout_of(data: bytes) -> Layout:
    """The parts of a file that the check accepts."""
    parts: dict[tuple[str, int], Part] = {}

    def visit(what: str, start: int, size_bytes: int, item_bytes: int) -> None:
        if size_bytes:
            parts[what, start] = Part(what, start, size_bytes, item_bytes)

    check_flatbuffer(data, MODEL, visit)
    constants, structure = [], []
    for part in parts.values():
        large = part.what == "Buffer.data items" and part.size_bytes > SMALL_BUFFER_BYTES
        if large:
            constants.append(part)
        elif not part.what.endswith(("name items", "description items")):
            structure.append(part)
    offsets = [part for part in structure if part.what in _OFFSETS]
    return Layout(data, tuple(structure), tuple(constants), tuple(offsets))


def _holds_together(part: Part) -> bool:
    return (
        part.what in _OFFSETS
        or part.what.endswith((" offset", " length"))
        or (part.what.startswith("the vtable"))
    )


_OFFSETS = (
    "Model.operator_codes", "Model.subgraphs", "Model.buffers", "SubGraph.tensors",
    "SubGraph.inputs", "SubGraph.outputs", "SubGraph.operators", "Tensor.shape", "Tensor.name",
    "Tensor.quantization", "QuantizationParameters.scale", "QuantizationParameters.zero_point",
    "Operator.inputs", "Operator.outputs", "Operator.builtin_options", "Buffer.data",
    "Model.description", "OperatorCode.custom_code", "Tensor.sparsity", "Tensor.shape_signature",
    "Model.operator_codes items", "Model.subgraphs items", "Model.buffers items",
    "SubGraph.tensors items", "SubGraph.operators items",
)  # fmt: skip
