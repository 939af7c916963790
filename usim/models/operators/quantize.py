"""QUANTIZE: float32, 8 or 16 bits to 8 or 16 bits; DEQUANTIZE: 8 or 16 bits to float32.

From 8 bits to 8 bits is a table; see lookup.py.
"""

from __future__ import annotations

from typing import Any

from usim.models import fixed_point
from usim.models.graph import Options, TensorSpec
from usim.models.operators.base import (
    TYPE_SUFFIXES,
    KernelCall,
    Node,
    Recipe,
    source_pointer,
    target_pointer,
)
from usim.models.operators.lookup import lookup_call
from usim.models.operators.scaling import multiplier

_RANGES = {"int8": range(-128, 128), "uint8": range(256)}
_PAIRS = (
    *((source, "int8") for source in ("float32", "int8", "uint8", "int16")),
    *((source, "int16") for source in ("float32", "int8", "int16")),
    ("int8", "uint8"),
)
"""What QUANTIZE converts; uint8 to uint8 is what TensorFlow Lite Micro has not got either."""
_QUANTISED = ("int8", "uint8", "int16")


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
        node.expect_one_scale(target)
        node.expect_shape(target, source.shape)
        if source.dtype == "float32":
            return _affine_call("quantize", node, target)
        node.expect_one_scale(source)
        if "int16" in (source.dtype, target.dtype):
            return _rescaling_call(node, source, target)
        return lookup_call(node, _RANGES[source.dtype], _requantized(node, source, target))


class Dequantize(Recipe):
    kind = "DEQUANTIZE"
    options_type = None

    def read_options(self, union: Any) -> Options:  # noqa: ANN401
        return Options()

    def lower(self, node: Node) -> KernelCall:
        node.expect_arity(1, 1)
        source = node.expect_type(node.input(0), _QUANTISED)
        target = node.output()
        if target.dtype != "float32":
            raise node.error(f"{target} is not float32")
        node.expect_shape(target, source.shape)
        return _affine_call("dequantize", node, source)


def _affine_call(kernel: str, node: Node, quantized: TensorSpec) -> KernelCall:
    return KernelCall(
        kernel=kernel,
        shape_type=f"{kernel}_shape",
        shape={
            "size": quantized.element_count,
            "zero_point": quantized.zero_point,
            "scale": quantized.scale,
        },
        pointers=(source_pointer(node.input(0)), target_pointer(node.output())),
        macs=0,
        types=TYPE_SUFFIXES[quantized.dtype],
    )


def _rescaling_call(node: Node, source: TensorSpec, target: TensorSpec) -> KernelCall:
    output_multiplier, output_shift = multiplier(node, source.scale / target.scale)
    return KernelCall(
        kernel="rescale",
        shape_type="rescale_shape",
        shape={
            "size": target.element_count,
            "input_offset": -source.zero_point,
            "output_offset": target.zero_point,
            "output_multiplier": output_multiplier,
            "output_shift": output_shift,
        },
        pointers=(source_pointer(source), target_pointer(target)),
        macs=0,
        types=f"{TYPE_SUFFIXES[source.dtype]}_{TYPE_SUFFIXES[target.dtype]}",
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
