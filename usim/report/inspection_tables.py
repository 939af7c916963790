"""A model's inspection as tables and a picture for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from usim.description_files import shown_path
from usim.fitting import PlatformFit
from usim.models import OPERATORS, TensorSpec
from usim.models.inspection import Inspection, OperatorFacts, views
from usim.report.arena_text import arena_text, by_life, marks
from usim.report.console import make_table

_NAME_WIDTH = 60


def print_inspection(console: Console, inspection: Inspection) -> None:
    """What it is, its operators, its memory plan, and what usim cannot run of it."""
    for line in _about(inspection):
        console.print(line)
    console.print()
    console.print(_operators(inspection))
    console.print()
    console.print(_lifetimes(inspection))
    console.print()
    console.print("Arena over time (bytes upwards, operators to the right, . is free)")
    for line in arena_text(inspection.plan, len(inspection.operators)):
        # Bare: it is drawn for its own width, and rich would pad or wrap it.
        console.print(line, soft_wrap=True)
    console.print()
    for line in _problems(inspection):
        console.print(line)


def print_fits(console: Console, fits: Sequence[PlatformFit]) -> None:
    """A line a platform: whether the model fits, what it needs, and what is short."""
    sections = ("text", "rodata", "heap", "workspace", "stack")
    headers = tuple(f"{name} (free)" for name in sections)
    table = make_table("Platforms (bytes; free beside the runtime)", "platform", "fits", *headers,
                       "short", numeric=headers)  # fmt: skip
    for fit in fits:
        needs = {need.section: need for need in fit.needs}
        cells = [
            f"{needs[name].needed_bytes:,} ({needs[name].available_bytes:,})"
            if name in needs
            else ""
            for name in sections
        ]
        table.add_row(fit.platform, "yes" if fit.fits else "no", *cells, _shortage(fit))
    console.print(table)


def _shortage(fit: PlatformFit) -> str:
    if fit.short:
        return ", ".join(f"{need.section} by {need.short_bytes:,}" for need in fit.short)
    return fit.problem or ""


def _about(inspection: Inspection) -> Iterator[str]:
    plan = inspection.plan
    described = f" ({inspection.description})" if inspection.description else ""
    yield (
        f"Model      {shown_path(Path(inspection.file))}{described}: "
        f"{inspection.file_bytes:,} bytes, {len(inspection.operators)} operators, "
        f"{inspection.macs:,} MACs{' known' if inspection.problems else ''}"
    )
    for what, specs in (("Input", inspection.inputs), ("Output", inspection.outputs)):
        for spec in specs:
            kind = f"{spec.dtype} {_extents(spec)}{_quantization(spec)}"
            yield f"{what:<10} {spec.name or '(no name)'}: {kind}"
    constants = f"Constants  {inspection.file_constant_bytes:,} bytes in the file"
    if inspection.device_constant_bytes is not None:
        constants += f", {inspection.device_constant_bytes:,} on a device (rodata)"
    yield constants
    bound = plan.lower_bound_bytes
    excess = f", {plan.size_bytes / bound - 1:.1%} above" if bound else ""
    yield f"Arena      {plan.size_bytes:,} bytes (heap){excess} the largest live set, {bound:,}"


def _quantization(spec: TensorSpec) -> str:
    if spec.quantization is None:
        return ""
    if spec.quantization.per_channel:
        return f", {len(spec.quantization.scales)} scales"
    return f", real = {spec.scale:.6g} * (stored - {spec.zero_point})".replace("- -", "+ ")


def _operators(inspection: Inspection) -> Table:
    numeric = ("MACs", "constants")
    columns = ("", "operator", "input", "weights", "output", *numeric, "options")
    table = make_table("Operators (int8 where no type is named)", *columns, numeric=numeric)
    for operator in inspection.operators:
        table.add_row(
            str(operator.index),
            operator.kind,
            _types(operator.inputs),
            _weights(operator),
            _types(operator.outputs),
            "?" if operator.macs is None else f"{operator.macs:,}" if operator.macs else "",
            f"{operator.constant_bytes:,}" if operator.constant_bytes else "",
            _remarks(operator),
        )
    table.add_row("", "all", "", "", "", f"{inspection.macs:,}",
                  f"{inspection.file_constant_bytes:,}", "", style="bold")  # fmt: skip
    return table


def _remarks(operator: OperatorFacts) -> str:
    if operator.problem:
        return "NOT SUPPORTED"
    reason = ""
    if operator.done_by is not None:
        reason = f"no code: done by {operator.done_by}"
    elif operator.folded:
        reason = "no code: a constant"
    elif operator.renames or operator.is_view:
        reason = f"no code: a {'new shape' if operator.renames else 'view'}"
    return ", ".join(filter(None, [operator.options_text, reason]))


def _weights(operator: OperatorFacts) -> str:
    """The largest constant that is no axis, size or bias: the weights, where there are some."""
    values = [tensor for tensor in operator.constants if tensor.dtype not in ("int32", "int64")]
    if not values or operator.renames:
        return ""
    return _type(max(values, key=lambda tensor: tensor.size_bytes))


def _types(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(_type(spec) for spec in specs)


def _type(spec: TensorSpec) -> str:
    return _extents(spec) if spec.dtype == "int8" else f"{spec.dtype} {_extents(spec)}"


def _extents(spec: TensorSpec) -> str:
    return "x".join(str(extent) for extent in spec.shape) or "scalar"


def _lifetimes(inspection: Inspection) -> Table:
    """One line a buffer, in order of time, with the character that the picture has for it; then the
    tensors that lie in one of them."""
    numeric = ("tensor", "offset", "bytes", "from", "to")
    table = make_table("Activations (from and to: operators; in, out: the model's own)", "",
                       *numeric, "name", numeric=numeric)  # fmt: skip
    mark = marks(inspection.plan)
    for placement in by_life(inspection.plan):
        life = placement.lifetime
        table.add_row(
            mark[life.tensor],
            str(life.tensor),
            f"{placement.offset:,}",
            f"{life.size_bytes:,}",
            "in" if life.first < 0 else str(life.first),
            "out" if life.last >= len(inspection.operators) else str(life.last),
            _shortened(inspection.graph.tensors[life.tensor].name),
        )
    for tensor in views(inspection.plan):
        spec, owner = inspection.graph.tensors[tensor], inspection.plan.aliases[tensor]
        offset = f"{inspection.plan.offset(tensor):,}"
        where = f"in tensor {owner}: {_shortened(spec.name)}"
        table.add_row(mark[owner], str(tensor), offset, f"{spec.size_bytes:,}", "", "", where)
    return table


def _shortened(name: str) -> str:
    """Converters join the names of all that they fused: the beginning says which layer it is."""
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 3]}..."


def _problems(inspection: Inspection) -> Iterator[str]:
    count = len(inspection.problems)
    if count:
        yield f"{count} operator{'s' * (count > 1)} cannot be run:"
        for problem in inspection.problems:
            yield f"  {problem}"
        yield f"Supported are {', '.join(sorted(OPERATORS))}."
