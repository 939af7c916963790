"""The host's ends of a board's serial lines, as `usim exec --uart` chooses them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from usim.board import Board
from usim.board.endpoints import Endpoint, FileEndpoint, Nowhere, StandardInput, TcpEndpoint
from usim.board.host_lines import HostLines
from usim.board.terminal import Terminal
from usim.cli.exec_options import Uart
from usim.errors import ArgumentError


def connect_lines(
    board: Board, uarts: Sequence[Uart], terminal: Terminal, *, reads_stdin: bool
) -> HostLines:
    """Connect every line of an open board.

    Lines that `uarts` does not name are shown, USARTs only if it chooses none to be shown. Standard
    input goes to the one that it chooses, else to the line that was heard of last.
    """
    _check(board, uarts)
    lines = HostLines(board)
    stdin = _standard_input() if reads_stdin else None
    shown = console_of(uarts)
    for uart in uarts:
        lines.attach(uart.name, _endpoint(uart, terminal, stdin if uart.name == shown else None))
    named = {uart.name for uart in uarts}
    chooses = any(uart.kind == "stdio" for uart in uarts)
    for name in board.lines:
        if name not in named and not (chooses and name in board.chip.usarts):
            lines.attach(name, StandardInput(None, _show(terminal, name)))
    if stdin is not None and shown is None:
        lines.attach("", StandardInput(stdin, lambda _: None))
    return lines


def console_of(uarts: Sequence[Uart]) -> str | None:
    """The USART that talks with the user, if exactly one was chosen."""
    shown = [uart.name for uart in uarts if uart.kind == "stdio"]
    return shown[0] if len(shown) == 1 else None


def _check(board: Board, uarts: Sequence[Uart]) -> None:
    names = [uart.name for uart in uarts]
    for name in names:
        board.line(name)
        if names.count(name) > 1:
            raise ArgumentError(f"--uart {name} is given twice")
    files = [uart.path.resolve() for uart in uarts if uart.path and uart.path != Path(os.devnull)]
    for path in files:
        if files.count(path) > 1:
            raise ArgumentError(f"two USARTs can't write the same file, {path}: name another one")


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
