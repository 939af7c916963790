"""A model's inspection as plain data for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from usim.fitting import PlatformFit
from usim.models import TensorSpec
from usim.models.inspection import Inspection, views

# Version of the layout; it grows when a key changes its meaning.
_FORMAT = 1


def inspection_json(inspection: Inspection, fits: Sequence[PlatformFit]) -> dict[str, Any]:
    """Sizes are bytes. Steps: -1 the inputs' writing, i operator i, then the outputs' reading."""
    plan = inspection.plan
    return {
        "format": _FORMAT,
        "file": inspection.file,
        "file_bytes": inspection.file_bytes,
        "description": inspection.description,
        "macs": inspection.macs,
        "file_constant_bytes": inspection.file_constant_bytes,
        "device_constant_bytes": inspection.device_constant_bytes,
        "inputs": [_tensor(spec) for spec in inspection.inputs],
        "outputs": [_tensor(spec) for spec in inspection.outputs],
        "operators": [
            {
                "index": operator.index,
                "kind": operator.kind,
                "inputs": [_tensor(spec) for spec in operator.inputs],
                "constants": [_tensor(spec) for spec in operator.constants],
                "outputs": [_tensor(spec) for spec in operator.outputs],
                "options": dict(operator.options),
                "macs": operator.macs,
                "constant_bytes": operator.constant_bytes,
                "renames": operator.renames,
                "is_view": operator.is_view,
                "folded": operator.folded,
                "done_by": operator.done_by,
                "problem": operator.problem,
            }
            for operator in inspection.operators
        ],
        "arena": {
            "bytes": plan.size_bytes,
            "lower_bound_bytes": plan.lower_bound_bytes,
            "buffers": [
                {
                    "tensor": item.lifetime.tensor,
                    "offset": item.offset,
                    "bytes": item.lifetime.size_bytes,
                    "first": item.lifetime.first,
                    "last": item.lifetime.last,
                }
                for item in plan.placements
            ],
            "aliases": {str(tensor): owner for tensor, owner in plan.aliases.items()},
            "alias_offsets": {str(tensor): plan.offset(tensor) for tensor in views(plan)},
        },
        "platforms": [_fit(fit) for fit in fits],
    }


def _fit(fit: PlatformFit) -> dict[str, Any]:
    return {
        "platform": fit.platform,
        "fits": fit.fits,
        "problem": fit.problem,
        "sections": [asdict(need) | {"short_bytes": need.short_bytes} for need in fit.needs],
    }


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    quantization = spec.quantization
    return {
        "index": spec.index,
        "name": spec.name,
        "dtype": spec.dtype,
        "shape": list(spec.shape),
        "bytes": spec.size_bytes,
        # Of tensors that are quantised as a whole: a channel's are too many to be read here.
        "scale": quantization.scales[0] if quantization and not quantization.per_channel else None,
        "zero_point": (
            quantization.zero_points[0] if quantization and not quantization.per_channel else None
        ),
    }
