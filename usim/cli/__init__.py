"""The `usim` command: its subcommands, and how errors and interruptions end it.

Imports nothing heavy: a subcommand's module is loaded when that subcommand is called.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from usim.cli.group import CommandGroup, write_log_to_stderr

__all__ = ["COMMANDS", "main", "usim"]

# Name -> where it is, and what the list of commands says of it.
COMMANDS = {
    "run": ("usim.cli.run:run", "Run an int8 model and show answers, cycles and memory."),
    "platforms": ("usim.cli.platforms:platforms", "List, show and check the chips."),
    "doctor": ("usim.cli.doctor:doctor", "Check what is installed, and say how to get the rest."),
    "inspect": ("usim.cli.inspect:inspect", "Show a model, its memory plan and where it fits."),
    "exec": ("usim.cli.exec:exec_", "Boot a firmware image (ELF, HEX, .bin) and talk to it."),
    "profile": ("usim.cli.profile:profile", "Say where the cycles of a bare-metal program go."),
    "export": ("usim.cli.export:export", "Write a model as an executable for other tools."),
    "serve": ("usim.cli.serve:serve", "Let a debugger work on an emulated chip."),
    "annotate": ("usim.cli.annotate:annotate", "Show what each instruction of a function costs."),
}

_EXAMPLES = """\b
Examples:
  usim run --platform stm32f746                 ten images through the demo model
  usim run --platform stm32f746 --image cat.png
  usim run --platform stm32f746 --model my.tflite --json result.json
  usim inspect my.tflite                        memory plan, and where it fits
  usim platforms show stm32f746                 memory map and clock, with sources
  usim doctor                                   what is installed, what is missing

\b
Exit codes: 0 done, 1 an error that is named in one line, 2 wrong usage, 130 interrupted.
`usim COMMAND --help` explains each command.
"""


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    import importlib.metadata  # noqa: PLC0415 - half of the start-up time of `usim --help`

    try:
        version = importlib.metadata.version("usim")
    except importlib.metadata.PackageNotFoundError:
        version = "(not installed: run from its source)"
    python = ".".join(map(str, sys.version_info[:3]))
    click.echo(f"usim {version}, Python {python}")
    context.exit()


@click.group(
    cls=CommandGroup,
    commands_by_name=COMMANDS,
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("-v", "--verbose", count=True, help="Log to stderr; -vv logs more.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of usim and Python.",
)
def usim(verbose: int) -> None:
    """Run int8 models and tensor kernels on an emulated Cortex-M7, and know what they cost.

    usim compiles C for a bare-metal STM32, loads it into an emulated chip, runs it and reads the
    answers back. Nothing else is needed: compiler and emulator come with it.
    """
    write_log_to_stderr(verbose)


def main() -> None:
    """The entry point of the `usim` command."""
    # Python has none where the caller has closed it (`>&-`): what is written there goes nowhere.
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end of the process
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end of the process
    usim(prog_name="usim")
