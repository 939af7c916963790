"""CONCATENATION and PACK: tensors of any type side by side in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from usim.errors import ModelError
from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import KernelSequence, Node, Recipe, read_activation
from usim.models.operators.movement import positive_axis
from usim.models.operators.parts import joined
from usim.models.quantization import FusedActivation


@dataclass(frozen=True, slots=True)
class JoinOptions(Options):
    axis: int


class Concatenation(Recipe):
    """As TensorFlow Lite Micro, and unlike TensorFlow Lite, it copies stored values: inputs whose
    scale or zero point is not the output's are not requantised."""

    kind = "CONCATENATION"
    options_type = tflite.BuiltinOptions.ConcatenationOptions

    def read_options(self, union: Any) -> JoinOptions:  # noqa: ANN401
        table = tflite.ConcatenationOptions()
        table.Init(union.Bytes, union.Pos)
        if read_activation(table.FusedActivationFunction()) is not FusedActivation.NONE:
            raise ModelError("a fused activation is not supported")
        return JoinOptions(table.Axis())

    def lower(self, node: Node) -> KernelSequence:
        pieces = self._pieces(node)
        if any(len(piece.shape) != len(node.output().shape) for piece in pieces):
            raise node.error(f"its inputs have not as many dimensions as {node.output()}")
        return joined(node, pieces, node.output(), self._axis(node))

    def fold(self, node: Node) -> npt.NDArray[Any] | None:
        return np.concatenate(self._constants(node), self._axis(node))

    def _pieces(self, node: Node) -> list[TensorSpec]:
        count = max(len(node.operator.inputs), 1)
        node.expect_arity(count, count)
        return [node.input(position) for position in range(count)]

    def _constants(self, node: Node) -> list[npt.NDArray[Any]]:
        return [piece.data for piece in self._pieces(node) if piece.data is not None]

    def _axis(self, node: Node) -> int:
        options = node.operator.options
        assert isinstance(options, JoinOptions)
        return positive_axis(node, options.axis, len(node.output().shape))


class Pack(Concatenation):
    """Along a new axis."""

    kind = "PACK"
    options_type = tflite.BuiltinOptions.PackOptions

    def read_options(self, union: Any) -> JoinOptions:  # noqa: ANN401
        table = tflite.PackOptions()
        table.Init(union.Bytes, union.Pos)
        return JoinOptions(table.Axis())

    def lower(self, node: Node) -> KernelSequence:
        pieces, target = self._pieces(node), node.output()
        if any(len(piece.shape) + 1 != len(target.shape) for piece in pieces):
            raise node.error(f"its inputs have not one dimension less than {target}")
        return joined(node, pieces, target, self._axis(node))

    def fold(self, node: Node) -> npt.NDArray[Any] | None:
        return np.stack(self._constants(node), self._axis(node))
