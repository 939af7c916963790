"""A run's facts as tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from usim.description_files import shown_path
from usim.report.console import make_table
from usim.report.run_result import RunResult

# What a reader must know before believing the figures.
_NOTES = {
    (
        "instructions",
        "counted",
        "",
    ): "Counted, not timed: every instruction counts as one cycle, and "
    "ms follow from that. A real core issues up to two instructions a cycle and waits for memory.",
    ("cycles", "modelled", "core"): "Modelled cycles of the core alone, as if every access hit a "
    "tightly coupled memory; docs/timing.md says how far to trust them.",
    (
        "cycles",
        "modelled",
        "full",
    ): "Modelled cycles of core, caches and memories, not measured on a "
    "chip; docs/timing.md says how far to trust them.",
}


def print_run(console: Console, result: RunResult) -> None:
    """Answers, accuracy, layers, memory, and what the figures were obtained with."""
    for table in _tables(result):
        console.print(table)
        console.print()
    for line in _notes(result):
        console.print(line)


def _tables(result: RunResult) -> Iterator[Table]:
    if result.answers:
        yield _answers(result)
    yield _layers(result)
    yield _memory(result)


def _answers(result: RunResult) -> Table:
    table = make_table("Answers", "image", "class", "score", "", numeric=("score",))
    for answer in result.answers:
        verdict = answer.verdict
        if verdict == "wrong":
            verdict += f", it is {answer.expected}"
        table.add_row(answer.name, answer.label, f"{answer.score:.3f}", verdict)
    return table


def _layers(result: RunResult) -> Table:
    unit = result.count_unit + (" (model)" if result.count_source == "modelled" else "")
    numeric = ("MACs", unit, "per MAC", "ms", "share")
    clock = f"ms at {result.clock_hz / 1e6:g} MHz" if result.clock_hz else "no known clock"
    table = make_table(
        f"Layers ({result.count_unit} {_source(result)}, {clock})",
        "",
        "operator",
        "output",
        *numeric,
        numeric=numeric,
    )
    total = result.total_count
    for layer in result.layers:
        count = layer.count.value
        table.add_row(
            str(layer.index),
            layer.kind,
            "x".join(str(extent) for extent in layer.output_shape),
            *_figures(result, count, layer.macs),
            f"{count / total:.1%}",
        )
    table.add_row("", "all", "", *_figures(result, total, result.macs), "100.0%", style="bold")
    return table


def _figures(result: RunResult, count: int, macs: int) -> tuple[str, str, str, str]:
    milliseconds = result.milliseconds(count)
    return (
        f"{macs:,}" if macs else "",
        f"{count:,}",
        f"{count / macs:.2f}" if macs else "",
        f"{milliseconds:.3f}" if milliseconds is not None else "",
    )


def _memory(result: RunResult) -> Table:
    numeric = ("bytes", "peak", "of section", "full")
    table = make_table("Memory", "section", *numeric, numeric=numeric)
    for use in result.memory:
        table.add_row(
            use.name,
            f"{use.used_bytes:,}" if use.used_bytes is not None else "unknown",
            f"{use.peak_bytes:,}",
            f"{use.size_bytes:,}",
            f"{use.peak_bytes / use.size_bytes:.1%}",
        )
    return table


def _notes(result: RunResult) -> Iterator[str]:
    if result.accuracy:
        right, total = result.accuracy.right, result.accuracy.total
        yield f"Accuracy   {right / total:.2%} ({right:,} of {total:,} images)"
    elif any(answer.expected for answer in result.answers):
        right = sum(answer.verdict == "right" for answer in result.answers)
        yield f"Right      {right} of {len(result.answers)}"
    sizes = result.model_bytes
    in_ram = sizes["constants_in_ram"]
    yield (
        f"Model      {shown_path(Path(result.model))}: {result.macs:,} MACs; "
        f"text {sizes['text']:,}, rodata {sizes['rodata']:,}, "
        + (f"constants in RAM {in_ram:,}, " if in_ram else "")
        + f"activations {sizes['arena']:,} bytes (the rest is the runtime's)"
    )
    stats = result.statistics
    yield (
        f"Link       {stats.tasks:,} tasks in {stats.batches:,} batches, {stats.transactions:,} "
        f"transactions, {stats.bytes_to_device:,} bytes to the device, "
        f"{stats.bytes_from_device:,} back"
    )
    yield f"Platform   {result.platform}, backend {result.backend}" + (
        ", strict" if result.strict else ""
    )
    yield f"Compiler   {result.compiler} {' '.join(result.flags)}"
    note = _NOTES.get((result.count_unit, result.count_source, result.count_fidelity))
    if note:
        yield f"Note       {note}"


def _source(result: RunResult) -> str:
    fidelity = f", {result.count_fidelity}" if result.count_fidelity else ""
    return f"{result.count_source}{fidelity}"
