"""`usim doctor`: what is installed, what works, and how to get the rest."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from usim.cli.doctor_checks import Backend
    from usim.cli.doctor_finding import Finding


@click.command(
    epilog="""\b
Examples:
  usim doctor
  usim doctor --json | python -m json.tool

\b
Exit code: 0 when `usim run` has all that it needs, 1 when it has not.
"""
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for another program.")
def doctor(as_json: bool) -> None:
    """Check what is installed and what each backend needs.

    Not by looking at version numbers alone: it compiles a function, runs an instruction in the
    emulator, and builds and loads a library for this machine.
    """
    from usim.cli.doctor_checks import DEFAULT_BACKEND, examine, judge_backends  # noqa: PLC0415

    findings = examine()
    backends = judge_backends(findings)
    healthy = next(backend.usable for backend in backends if backend.name == DEFAULT_BACKEND)
    if as_json:
        report = {
            "healthy": healthy,
            "findings": [asdict(finding) for finding in findings],
            "backends": [asdict(backend) for backend in backends],
        }
        click.echo(json.dumps(report, indent=2))
    else:
        _print(findings, backends, healthy)
    if not healthy:
        sys.exit(1)


def _print(findings: list[Finding], backends: list[Backend], healthy: bool) -> None:
    from usim.cli.doctor_checks import worth_getting  # noqa: PLC0415
    from usim.report.console import make_console, make_table  # noqa: PLC0415

    console = make_console()
    table = make_table("Found", "what", "state", "detail")
    for finding in findings:
        table.add_row(finding.name, finding.state, finding.detail)
    console.print(table)
    console.print()
    table = make_table("Backends", "backend", "state", "needs")
    for backend in backends:
        table.add_row(backend.name, backend.state, ", ".join(backend.needs))
    console.print(table)
    advice = worth_getting(findings, backends)
    if advice:
        console.print("\nTo get what is missing:")
    for finding in advice:
        console.print(f"  {finding.name}: {finding.remedy}")
    console.print(
        "\nusim run has all that it needs."
        if healthy
        else "\nusim run cannot work yet: see the lines that are not ok."
    )
