"""Runs the benches that are asked for and prints their figures: scripts/bench [NAME...]."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import measures
from backends import backends, many_sessions
from firmware import firmware
from machine import describe_machine
from measures import BenchError, Figure
from models import models

from usim.report.console import make_console, make_table

JSON_FORMAT = 1
BENCHES: Final[dict[str, Callable[[], list[Figure]]]] = {
    "run-image": measures.run_image,
    "load-module": measures.load_module,
    "emulation-speed": measures.emulation_speed,
    "lazy-batch": measures.lazy_batch,
    "first-result": measures.first_result,
    "backends": backends,
    "many-sessions": many_sessions,
    "models": models,
    "firmware": firmware,
}


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    machine = describe_machine()
    figures: list[Figure] = []
    for name in options.names or BENCHES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            figures += BENCHES[name]()
        except BenchError as exc:
            sys.exit(f"error: bench {name}: {exc}")
    _print(machine, figures)
    if options.json:
        document = {
            "format": JSON_FORMAT,
            "machine": machine,
            "figures": [asdict(figure) for figure in figures],
        }
        try:
            options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        except OSError as exc:
            sys.exit(f"error: cannot write {options.json}: {exc.strerror}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    listing = "\n".join(
        f"  {name:<16} {(bench.__doc__ or '').splitlines()[0]}" for name, bench in BENCHES.items()
    )
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure usim on this machine.",
        epilog=f"benches:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and samples there")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"no bench is called {unknown[0]!r}; there are: {', '.join(BENCHES)}")
    return options


def _print(machine: dict[str, str], figures: Sequence[Figure]) -> None:
    console = make_console()
    for key, value in machine.items():
        console.print(f"{key:<10} {value}")
    table = make_table(
        "", "bench", "figure", "value", "unit", "spread", "goal", "how", numeric=("value",)
    )
    for figure in figures:
        table.add_row(
            figure.bench,
            figure.name,
            _number(figure.value),
            figure.unit,
            _spread(figure.samples),
            figure.goal,
            figure.how,
        )
    console.print()
    console.print(table)


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _spread(samples: Sequence[float]) -> str:
    return f"{_number(min(samples))} to {_number(max(samples))}" if samples else ""


if __name__ == "__main__":
    main(sys.argv[1:])
