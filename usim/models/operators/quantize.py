"""QUANTIZE: float32 or 8 bits to 8 bits; DEQUANTIZE: int8 to float32.

From 8 bits to 8 bits is a table; see lookup.py.
"""

from __future__ import annotations

from typing import Any

from usim.models import fixed_point
from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import KernelCall, Node, Pointer, Recipe
from usim.models.operators.lookup import lookup_call
from usim.models.operators.scaling import multiplier

_RANGES = {"int8": range(-128, 128), "uint8": range(256)}
_TO_INT8 = ("float32", "int8", "uint8")
_PAIRS = (*((source, "int8") for source in _TO_INT8), ("int8", "uint8"))
"""What QUANTIZE converts; uint8 to uint8 is what TensorFlow Lite Micro has not got either."""


class Quantize(Recipe):
    kind = "QUANTIZE"
    options_type = None

    def read_options(self, union: Any) -> Options:  # noqa: ANN401
        return Options()

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(1, 1)
        source, target = node.input(0), node.output()
        if (source.dtype, target.dtype) not in _PAIRS:
            pairs = ", ".join(f"{first} to {second}" for first, second in _PAIRS)
            raise node.error(f"{source} to {target} is not supported (have: {pairs})")
        _expect_one_scale(node, target)
        node.expect_shape(target, source.shape)
        if source.dtype == "float32":
            return _affine_call("quantize", node, target, ("float", "int8_t"))
        _expect_one_scale(node, source)
        return lookup_call(node, _RANGES[source.dtype], _requantized(node, source, target))


class Dequantize(Recipe):
    kind = "DEQUANTIZE"
    options_type = None

    def read_options(self, union: Any) -> Options:  # noqa: ANN401
        return Options()

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(1, 1)
        source = node.expect_activation(node.input(0))
        target = node.output()
        if target.dtype != "float32":
            raise node.error(f"{target} is not float32")
        node.expect_shape(target, source.shape)
        return _affine_call("dequantize", node, source, ("int8_t", "float"))


def _expect_one_scale(node: Node, tensor: TensorSpec) -> None:
    if tensor.quantization is None or tensor.quantization.per_channel:
        raise node.error(f"{tensor} must be quantised with one scale and zero point")


def _affine_call(
    kernel: str, node: Node, quantized: TensorSpec, c_types: tuple[str, str]
) -> KernelCall:
    return KernelCall(
        kernel=kernel,
        shape_type=f"{kernel}_shape",
        shape={
            "size": quantized.element_count,
            "zero_point": quantized.zero_point,
            "scale": quantized.scale,
        },
        pointers=(
            Pointer("input", f"const {c_types[0]}", node.input(0).index),
            Pointer("output", c_types[1], node.output().index),
        ),
        macs=0,
    )


def _requantized(node: Node, source: TensorSpec, target: TensorSpec) -> list[int]:
    """The stored value in `target` for each stored value in `source`."""
    scaling = multiplier(node, source.scale / target.scale)
    limits = _RANGES[target.dtype]
    results = []
    for value in _RANGES[source.dtype]:
        steps = fixed_point.multiply_by_quantized_multiplier(value - source.zero_point, *scaling)
        result = fixed_point.add_wrapping(steps, target.zero_point)
        results.append(min(max(result, limits[0]), limits[-1]))
    return results
