"""`usim exec`: boots other people's firmware on the emulated chip."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from usim.board import Board, Ending
from usim.board.endpoints import Endpoint, FileEndpoint, Nowhere, StandardInput, TcpEndpoint
from usim.board.host_lines import HostLines
from usim.board.images import FORMATS
from usim.board.script import Step, run_script
from usim.board.terminal import Terminal
from usim.cli.exec_options import AddressType, ScriptOption, Uart, UartType, script_of
from usim.cli.program_options import Limit, LimitType
from usim.errors import ArgumentError, ExpectationError, FirmwareEndedError
from usim.report.board_summary import print_summary

_FOREVER_S: Final = 1e9
_CRASHED: Final = 3
_INTERRUPTED: Final = 130

_EXAMPLES = """\b
Examples:
  usim exec firmware.elf                                what it prints, until it ends or Ctrl-C
  usim exec firmware.bin --base 0x08000000 --for 2s
  usim exec firmware.hex --expect "login:" --send "root\\r" --expect "# "
  usim exec firmware.elf --uart usart1=tcp:127.0.0.1:4000    then: nc 127.0.0.1 4000
  usim exec firmware.elf --uart usart3 --uart usart1=log.txt

\b
Times are the chip's, and runs are the same each time as long as nothing comes from a terminal, a
pipe or a socket. A run ends when the script (--expect, --send) is through, at --for, at a
semihosting exit, in a crash, or when nothing more can happen (asleep or in an endless loop with no
interrupt on). In texts, \\n \\r \\t \\e \\0 \\xHH \\\\ stand for bytes; nothing is added to them.

\b
Exit codes: that of a semihosting exit; else 0 done, 1 an --expect that was not met, or another
error that is named in one line, 2 wrong usage, 3 the firmware crashed (a fault whose handler does
not return, a lockup, an interrupt without a handler), 130 interrupted.
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
    type=LimitType(),
    default="10s",
    show_default=True,
    metavar="TIME",
    help="How long each --expect may take, in the chip's time.",
)
@click.option(
    "--for",
    "limit",
    type=LimitType(),
    metavar="TIME",
    help="Run so long, in the chip's time (2s, 10ms), or so many cycles.",
)
@click.option(
    "--timing",
    type=click.Choice(["count", "core", "full"]),
    default="full",
    show_default=True,
    help="Count instructions, or model the cycles of the core, or those with memory.",
)
@click.option("--quiet", is_flag=True, help="No summary at the end.")
@click.pass_context
def exec_(ctx: click.Context, /, image: Path, **options: Any) -> None:  # noqa: ANN401
    """Boot a firmware IMAGE (ELF, Intel HEX, .bin), unmodified, on the emulated chip.

    What it sends on its USARTs, and prints by semihosting, goes to stdout. All else to stderr.
    """
    board = Board(
        image,
        options["platform"],
        timing=options["timing"],
        image_format=options["image_format"],
        base=options["base"],
    )
    steps = script_of(ctx)
    terminal = Terminal(sys.stdout.buffer)
    with board:
        lines = _connect(board, options["uarts"], terminal, reads_stdin=not steps)
        signal.signal(signal.SIGINT, lambda *_: _interrupt(board))
        try:
            failure = _run(board, steps, options)
        finally:
            lines.close()
            terminal.finish()
        _report(board, failure, quiet=options["quiet"])
        code = _exit_code(board.ending, failure)
    ctx.exit(code)


def _interrupt(board: Board) -> None:
    board.runner.interrupted = True
    board.chip.halt()


def _run(board: Board, steps: list[Step], options: dict[str, Any]) -> str:
    """Do what was asked for; returns what went wrong, if it did."""
    chosen = [uart.name for uart in options["uarts"] if uart.kind == "stdio"]
    usart = chosen[0] if len(chosen) == 1 else None
    limit: Limit | None = options["limit"]
    until_s = _seconds(board, limit) if limit else _FOREVER_S
    try:
        run_script(
            board, steps, usart, timeout_s=_seconds(board, options["timeout"]), until_s=until_s
        )
    except (ExpectationError, FirmwareEndedError) as exc:
        return str(exc)
    if limit or not steps:
        board.run(until_s)
    return ""


def _seconds(board: Board, limit: Limit) -> float:
    return limit.seconds if limit.count is None else board.chip.seconds(limit.count)


def _connect(
    board: Board, uarts: tuple[Uart, ...], terminal: Terminal, *, reads_stdin: bool
) -> HostLines:
    """The other ends of all lines. Input that nobody was given goes to the line heard of last."""
    lines = HostLines(board)
    stdin = _standard_input() if reads_stdin else None
    named: set[str] = set()
    for uart in uarts:
        board.line(uart.name)
        if uart.name in named:
            raise ArgumentError(f"--uart {uart.name} is given twice")
        named.add(uart.name)
    shown = [uart.name for uart in uarts if uart.kind == "stdio"]
    for uart in uarts:
        lines.attach(uart.name, _endpoint(uart, terminal, stdin if len(shown) == 1 else None))
    for name in board.lines:
        if name not in named and not (shown and name in board.chip.usarts):
            lines.attach(name, StandardInput(None, _show(terminal, name)))
    if stdin is not None and len(shown) != 1:
        lines.attach("", StandardInput(stdin, lambda _: None))
    return lines


def _show(terminal: Terminal, name: str) -> Callable[[bytes], None]:
    return lambda data: terminal.show(name, data)


def _endpoint(uart: Uart, terminal: Terminal, stdin: int | None) -> Endpoint:
    if uart.kind == "tcp":
        endpoint = TcpEndpoint(uart.name, uart.port)
        click.echo(f"{uart.name} listens on 127.0.0.1:{endpoint.port}", err=True)
        return endpoint
    if uart.kind == "file":
        assert uart.path is not None
        return FileEndpoint(uart.path)
    if uart.kind == "null":
        return Nowhere()
    return StandardInput(stdin, _show(terminal, uart.name))


def _standard_input() -> int | None:
    """Its file descriptor, if there is one to read from."""
    try:
        fd = sys.stdin.fileno()
        os.fstat(fd)
    except (AttributeError, OSError, ValueError):
        return None
    return fd


def _report(board: Board, failure: str, *, quiet: bool) -> None:
    """What the user wants to know at the end, on stderr."""
    ending = board.ending
    if ending is not None and ending.fault is not None:
        for line in ending.fault.lines():
            click.echo(line, err=True)
    if not quiet:
        print_summary(board)
    if failure:
        click.echo(f"error: {failure}", err=True)
    elif ending is not None and ending.crashed:
        click.echo(f"error: the firmware crashed: {ending.text}", err=True)


def _exit_code(ending: Ending | None, failure: str) -> int:
    if ending is not None:
        if ending.reason == "interrupted":
            return _INTERRUPTED
        if ending.crashed:
            return _CRASHED
        if ending.code:
            return ending.code & 0xFF or 1
    return 1 if failure else 0
