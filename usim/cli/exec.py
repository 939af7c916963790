"""`usim exec`: boots other people's firmware on the emulated chip."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from usim.board import Board, Ending
from usim.board.debugging import DebuggedBoard
from usim.board.endpoints import FileEndpoint
from usim.board.host_lines import HostLines
from usim.board.images import FORMATS
from usim.board.script import Step, run_script
from usim.board.terminal import Terminal
from usim.board.trace import AccessTrace
from usim.cli.exec_lines import connect_lines, console_of
from usim.cli.exec_options import AddressType, ScriptOption, TimeType, UartType, script_of
from usim.cli.output_path import OutputPath
from usim.cli.serve import invite_gdb
from usim.cli.signals import answered
from usim.errors import ExpectationError, FirmwareEndedError
from usim.probe.server import LOOPBACK
from usim.profile.recording import Recorder
from usim.report.board_profile import print_board_profile
from usim.report.board_summary import print_summary, summary_as_json
from usim.report.json_file import write_json

_CRASHED: Final = 3
# As shells report a signal: 128 and its number.
_ENDED_BY_SIGNAL: Final = 128

_EXAMPLES = """\b
Examples:
  usim exec firmware.elf                                what it prints, until it ends or Ctrl-C
  usim exec firmware.bin --base 0x08000000 --for 2s
  usim exec firmware.hex --expect "login:" --send "root\\r" --expect "# "
  usim exec firmware.elf --uart usart1=tcp:127.0.0.1:4000    then: nc 127.0.0.1 4000
  usim exec firmware.elf --uart usart3 --uart usart1=log.txt
  usim exec firmware.elf --trace - --trace-only usart1,rcc --for 10ms
  usim exec firmware.elf --gdb 3333

\b
Times are the chip's, and runs are the same each time as long as nothing comes from a terminal, a
pipe or a socket. A run ends when the script (--expect, --send) is through, at --for, at a
semihosting exit, in a crash, or when nothing more can happen (asleep or in an endless loop with no
interrupt on). In texts, \\n \\r \\t \\e \\0 \\xHH \\\\ stand for bytes; nothing is added to them.

\b
Exit codes: that of a semihosting exit; else 0 done, 1 an --expect that was not met, or another
error that is named in one line, 2 wrong usage, 3 the firmware crashed (a fault whose handler does
not return, a lockup, an interrupt without a handler), 130 interrupted, 143 terminated.
"""


@click.command("exec", epilog=_EXAMPLES)
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--platform",
    default="stm32f746",
    show_default=True,
    metavar="NAME",
    help="A chip or a board: see `usim platforms list`.",
)
@click.option(
    "--format",
    "image_format",
    type=click.Choice(FORMATS),
    help="What IMAGE is, where its suffix does not say it.",
)
@click.option(
    "--base",
    type=AddressType(),
    metavar="ADDRESS",
    help="Where a .bin belongs (default: the start of the flash).",
)
@click.option(
    "--uart",
    "uarts",
    type=UartType(),
    multiple=True,
    metavar="NAME[=WHERE]",
    help="A USART's other end: stdio (if not said), null, tcp:127.0.0.1:PORT, or a file to write.",
)
@click.option(
    "--expect",
    cls=ScriptOption,
    multiple=True,
    metavar="TEXT",
    help="Wait until the firmware prints this; repeat, and mix with --send, in order.",
)
@click.option(
    "--send", cls=ScriptOption, multiple=True, metavar="TEXT", help="Send this to the firmware."
)
@click.option(
    "--timeout",
    type=TimeType(),
    default="10s",
    show_default=True,
    metavar="TIME",
    help="How long each --expect may take, in the chip's time.",
)
@click.option(
    "--for",
    "limit",
    type=TimeType(),
    metavar="TIME",
    help="Run so long, in the chip's time (2s, 10ms).",
)
@click.option(
    "--timing",
    type=click.Choice(["count", "core", "full"]),
    default="full",
    show_default=True,
    help="Count instructions, or model the cycles of the core, or those with memory.",
)
@click.option("--profile", is_flag=True, help="Show at the end where the cycles went.")
@click.option(
    "--trace",
    "trace_file",
    type=OutputPath(allow_dash=True),
    metavar="FILE",
    help="Write each access to a peripheral, and each exception, there; - is stderr.",
)
@click.option(
    "--trace-only",
    metavar="NAME,...",
    help="Of accesses, those to these peripherals only: usart1,rcc.",
)
@click.option(
    "--gdb",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Wait for gdb on this port, halted at the reset; 0 takes any free port.",
)
@click.option("--json", "json_file", type=OutputPath(), help="Write the summary there.")
@click.option("--quiet", is_flag=True, help="No summary at the end.")
@click.pass_context
def exec_(ctx: click.Context, /, image: Path, **options: Any) -> None:  # noqa: ANN401
    """Boot a firmware IMAGE (ELF, Intel HEX, .bin), unmodified, on the emulated chip.

    What it sends on its USARTs, and prints by semihosting, goes to stdout. All else to stderr.
    """
    steps = script_of(ctx)
    if options["gdb"] is not None and (steps or options["limit"]):
        raise click.UsageError("--gdb leaves it to gdb when what runs: no --expect, --send, --for")
    board = Board(
        image,
        options["platform"],
        timing=options["timing"],
        image_format=options["image_format"],
        base=options["base"],
    )
    if options["trace_only"] and not options["trace_file"]:
        raise click.UsageError("--trace-only goes with --trace FILE")
    terminal = Terminal(sys.stdout.buffer)
    failure, signals = "", list[int]()
    with board, _traced(board, options["trace_file"], options["trace_only"]):
        recorder = Recorder(board.chip.device, board.program) if options["profile"] else None
        lines = connect_lines(board, options["uarts"], terminal, reads_stdin=not steps)
        try:
            if options["gdb"] is not None:
                _serve_gdb(board, lines, image, options["gdb"])
            else:
                failure = _run(board, steps, options, signals)
        finally:
            lines.close()
            terminal.finish()
        if recorder is not None:
            print_board_profile(board, recorder)
        _report(board, failure, options)
        code = _exit_code(board.ending, failure, signals)
    ctx.exit(code)


def _write_line(file: FileEndpoint, line: str) -> None:
    file.write(f"{line}\n".encode())


@contextmanager
def _traced(board: Board, path: Path | None, only: str | None) -> Iterator[None]:
    """What is run inside is traced to a file, or to stderr for "-"."""
    if path is None:
        yield
        return
    with ExitStack() as stack:
        if str(path) == "-":
            write = partial(click.echo, err=True)
        else:
            file = stack.enter_context(closing(FileEndpoint(path)))
            write = partial(_write_line, file)
        names = [name.strip() for name in only.split(",")] if only else []
        trace = AccessTrace(board.chip, board.program, write, names)
        try:
            yield
        finally:
            trace.finish()


def _run(board: Board, steps: list[Step], options: dict[str, Any], signals: list[int]) -> str:
    """Do what was asked for; returns what went wrong, if it did, and the `signals` that came."""

    def interrupt(number: int) -> None:
        board.runner.interrupted = True
        signals.append(number)

    until_s = options["limit"].seconds if options["limit"] else math.inf
    usart, timeout_s = console_of(options["uarts"]), options["timeout"].seconds
    with answered((signal.SIGINT, signal.SIGTERM), interrupt):
        try:
            run_script(board, steps, usart, timeout_s=timeout_s, until_s=until_s)
        except (ExpectationError, FirmwareEndedError) as exc:
            return str(exc)
        if options["limit"] or not steps:
            board.run(until_s)
    return ""


def _serve_gdb(board: Board, lines: HostLines, image: Path, port: int) -> None:
    """Until Ctrl-C."""
    with (
        closing(DebuggedBoard(board, lines, port)) as debugged,
        answered((signal.SIGINT, signal.SIGTERM), lambda _: debugged.stop()),
    ):
        click.echo(invite_gdb(board.platform, LOOPBACK, debugged.port, image), err=True)
        debugged.run()


def _report(board: Board, failure: str, options: dict[str, Any]) -> None:
    """What the user wants to know at the end, on stderr."""
    ending = board.ending
    if ending is not None and ending.fault is not None:
        for line in ending.fault.lines():
            click.echo(line, err=True)
    if not options["quiet"]:
        print_summary(board)
    if options["json_file"]:
        write_json(options["json_file"], summary_as_json(board, failure))
    if failure:
        click.echo(f"error: {failure}", err=True)
    elif ending is not None and ending.crashed:
        click.echo(f"error: the firmware crashed: {ending.text}", err=True)


def _exit_code(ending: Ending | None, failure: str, signals: list[int]) -> int:
    if ending is not None:
        if ending.reason == "interrupted":
            return _ENDED_BY_SIGNAL + signals[0]
        if ending.crashed:
            return _CRASHED
        if ending.code:
            return ending.code & 0xFF or 1
    return 1 if failure else 0
