"""`usim inspect`: what a model is, what memory it takes and where it fits; nothing is run."""

from __future__ import annotations

from pathlib import Path

import click

from usim import demo
from usim.cli.output_path import OutputPath
from usim.fitting import PlatformFit, fit_model
from usim.models import Model
from usim.models.inspection import Inspection, inspect_model
from usim.platforms import load_platform, platform_names
from usim.report.arena_svg import arena_svg
from usim.report.console import make_console
from usim.report.inspection_json import inspection_json
from usim.report.inspection_tables import print_fits, print_inspection
from usim.report.json_file import write_json
from usim.report.whole_file import write_whole
from usim.toolchain import TOOLCHAINS

_EXAMPLES = """\b
Examples:
  usim inspect my.tflite
  usim inspect my.tflite --platform stm32f767 --svg arena.svg
  usim inspect demo --json demo.json
"""


@click.command(epilog=_EXAMPLES)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--platform", metavar="NAME", help="Fit this one only. Default: all of `usim platforms list`."
)
@click.option("--json", "json_file", type=OutputPath(), help="Write all facts there.")
@click.option("--svg", "svg_file", type=OutputPath(), help="Draw the arena over time there.")
@click.option("--toolchain", type=click.Choice(list(TOOLCHAINS)), help="Compiler for the device.")
def inspect(
    model: Path,
    platform: str | None,
    json_file: Path | None,
    svg_file: Path | None,
    toolchain: str | None,
) -> None:
    """Show a model's operators, sizes and memory plan, and which chips it fits; run nothing.

    MODEL is a .tflite file, or `demo` for the network that comes with usim. Operators that usim
    does not have are shown and listed; then nothing is said of how it fits. Kernels are compiled,
    for the size of the code is part of the answer.
    """
    chips = [load_platform(name) for name in ([platform] if platform else platform_names())]
    inspection = inspect_model(demo.MODEL if str(model) == "demo" else model)
    fits: list[PlatformFit] = []
    console = make_console()
    print_inspection(console, inspection)
    if inspection.problems:
        console.print("What cannot be compiled has no size: whether it fits a chip is not known.")
    else:
        loaded = Model(inspection.graph)
        fits = [fit_model(chip, loaded, toolchain=toolchain) for chip in chips]
        print_fits(console, fits)
    _write(inspection, fits, json_file, svg_file)


def _write(
    inspection: Inspection,
    fits: list[PlatformFit],
    json_file: Path | None,
    svg_file: Path | None,
) -> None:
    if json_file:
        write_json(json_file, inspection_json(inspection, fits))
    if svg_file:
        write_whole(svg_file, arena_svg(inspection).encode())
