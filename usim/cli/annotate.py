"""`usim annotate`: a function's instructions, each with what it cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from usim.cli.program_options import program_options, run_program
from usim.errors import ProgramError
from usim.profile.attribution import Attribution
from usim.profile.loops import find_loops
from usim.profile.program import read_program
from usim.report.console import make_console
from usim.report.json_file import write_json
from usim.report.profile_json import annotation_as_json, profile_as_json
from usim.report.profile_listing import listing
from usim.report.profile_tables import summary_lines

_EXAMPLES = """\b
Examples:
  usim annotate firmware.elf fir
  usim annotate firmware.elf fir --entry fir --args 0x20000000,64
"""


@click.command(epilog=_EXAMPLES)
@click.argument("program", type=click.Path(path_type=Path))
@click.argument("function")
@program_options
def annotate(program: Path, function: str, **options: Any) -> None:  # noqa: ANN401
    """Run PROGRAM as `usim profile` does and show FUNCTION's instructions with their cycles."""
    wanted = read_program(program).find_function(function)
    recording = run_program(program, options)
    attribution = Attribution(recording)
    uses = attribution.of_range(wanted.address, wanted.end)
    if not uses:
        raise ProgramError(
            f"{function} was never executed; the run ended: {recording.ending.reason} at "
            f"{recording.program.describe(recording.ending.address)}",
            file=recording.program.file,
            symbol=function,
        )
    console = make_console()
    for line in summary_lines(attribution):
        console.print(line)
    console.print()
    for line in listing(attribution, wanted, recording.program.code_of(wanted)):
        console.print(line, soft_wrap=True)
    if options["json_file"]:
        data = profile_as_json(attribution, find_loops(attribution))
        data["annotation"] = {
            "function": wanted.name,
            "instructions": annotation_as_json(attribution, uses),
        }
        write_json(options["json_file"], data)
