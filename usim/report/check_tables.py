"""Two targets compared, as tables for people and as plain data for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from usim.check import InputCheck, ModelCheck
from usim.report.console import make_table

# A data set may have thousands of inputs: of more than this, only those that differ are shown.
_MOST_ROWS: Final = 40


def print_check(console: Console, check: ModelCheck, names: Sequence[str]) -> None:
    """Outputs and counts of both targets side by side; `names` call the inputs, if there are."""
    shown = range(len(check.inputs)) if len(check.inputs) <= _MOST_ROWS else check.differing
    called = [(names[index] if index < len(names) else str(index), index) for index in shown]
    rows = [(name, check.inputs[index]) for name, index in called[:_MOST_ROWS]]
    tables = [_inputs(check, rows)] if rows else []
    if check.differing:
        tables.append(_differences(check, [row for row in rows if not row[1].agrees]))
    for table in (*tables, _layers(check)):
        console.print()
        console.print(table)
    console.print()
    console.print(_verdict(check))


def _inputs(check: ModelCheck, rows: list[tuple[str, InputCheck]]) -> Table:
    counts = _count_columns(check)
    title = f"Outputs on {check.targets[0]} and {check.targets[1]}"
    table = make_table(title, "input", *counts, "outputs", numeric=counts)
    for name, item in rows:
        verdict = "agree" if item.agrees else "differ"
        table.add_row(name, *(f"{count.value:,}" for count in item.counts), verdict)
    return table


def _differences(check: ModelCheck, rows: list[tuple[str, InputCheck]]) -> Table:
    numeric = ("bytes", "differ", *check.targets)
    table = make_table(
        "First layer that differs",
        *("input", "layer", "operator", "output", "bytes", "differ", "first at", *check.targets),
        numeric=numeric,
    )
    for name, item in rows:
        found = item.difference
        if found is None:
            table.add_row(name, "", "none, when the layers run one at a time")
            continue
        table.add_row(
            name,
            str(found.layer),
            found.kind,
            "x".join(map(str, found.output_shape)),
            f"{found.size_bytes:,}",
            f"{found.differing_bytes:,}",
            f"[{', '.join(map(str, found.position))}]",
            *(str(value) for value in found.values),
        )
    return table


def _layers(check: ModelCheck) -> Table:
    counts = _count_columns(check)
    title = "Layers of the first input"
    table = make_table(title, "", "operator", "output", *counts, numeric=counts)
    for pair in check.layers:
        layer = pair[0]
        shape = "x".join(map(str, layer.output_shape))
        figures = (f"{item.count.value:,}" for item in pair)
        table.add_row(str(layer.index), layer.kind, shape, *figures)
    total = (f"{count.value:,}" for count in check.inputs[0].counts)
    table.add_row("", "all", "", *total, style="bold")
    return table


def _count_columns(check: ModelCheck) -> tuple[str, str]:
    """Titles of the counts, each with its unit and source."""
    first, second = (
        f"{target}: {count.kind}"
        for target, count in zip(check.targets, check.inputs[0].counts, strict=True)
    )
    return first, second


def _verdict(check: ModelCheck) -> str:
    total, differing = len(check.inputs), len(check.differing)
    both = f"{check.targets[0]} and {check.targets[1]}"
    if not differing:
        return f"Check      {both} agree in all outputs of {total:,} of {total:,} inputs"
    return f"Check      {both} differ in {differing:,} of {total:,} inputs"


def check_json(check: ModelCheck) -> dict[str, Any]:
    """Plain data: for each input whether the outputs agree, both counts, the first difference."""
    return {
        "targets": list(check.targets),
        "agrees": check.agrees,
        "inputs": [
            {
                "agrees": item.agrees,
                "counts": [count.value for count in item.counts],
                "first_difference": asdict(item.difference) if item.difference else None,
            }
            for item in check.inputs
        ],
        "counts": [asdict(count.kind) for count in check.inputs[0].counts],
        "layers": [
            {
                "index": pair[0].index,
                "operator": pair[0].kind,
                "counts": [item.count.value for item in pair],
            }
            for pair in check.layers
        ],
    }
