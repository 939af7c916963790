"""`usim profile`: where the cycles of a bare-metal program go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from usim.cli.output_path import OutputPath
from usim.cli.program_options import program_options, run_program
from usim.profile.attribution import Attribution
from usim.profile.loops import find_loops
from usim.report.console import make_console
from usim.report.json_file import write_json
from usim.report.profile_json import flame_graph, profile_as_json
from usim.report.profile_tables import print_profile

_EXAMPLES = """\b
Examples:
  usim profile firmware.elf                              from the reset, until it ends
  usim profile firmware.elf --until idle_loop --json profile.json
  usim profile firmware.elf --entry fir --args 0x20000000,64
  usim profile firmware.elf --flame flame.json           for https://www.speedscope.app

\b
A run ends at --until, at a `bkpt`, at a semihosting exit, when --entry returns, in an endless loop
(`while (1);`), asleep, or at --limit. What the program prints by semihosting is shown.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("program", type=click.Path(path_type=Path))
@program_options
@click.option("--flame", type=OutputPath(), help="Write the call tree there, for speedscope.")
@click.option(
    "--top", type=click.IntRange(min=1), default=20, show_default=True, metavar="N",
    help="Functions to show.",
)  # fmt: skip
def profile(program: Path, flame: Path | None, top: int, **options: Any) -> None:  # noqa: ANN401
    """Run a bare-metal PROGRAM (ELF) on an emulated chip and show what took how many cycles."""
    recording = run_program(program, options)
    attribution = Attribution(recording)
    loops = find_loops(attribution)
    print_profile(make_console(), attribution, loops, top)
    if options["json_file"]:
        write_json(options["json_file"], profile_as_json(attribution, loops))
    if flame:
        write_json(flame, flame_graph(attribution))
