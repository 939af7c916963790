"""A script of what to wait for and what to send, in order, as a command line gives it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from usim.board.board import Board
from usim.errors import ArgumentError

_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|.|$)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "e": "\x1b", "0": "\0", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Step:
    """Wait for a text, or send one."""

    action: Literal["expect", "send"]
    data: bytes


def read_step(action: Literal["expect", "send"], text: str) -> Step:
    r"""A step from its text, in which \n, \r, \t, \e, \0, \\ and \xHH stand for bytes."""
    data = bytearray()
    at = 0
    for found in _ESCAPE.finditer(text):
        data += _bytes(text[at : found.start()])
        at = found.end()
        data += _escaped(found[1], text)
    data += _bytes(text[at:])
    if not data:
        raise ArgumentError(f"there is no text to {action}")
    return Step(action, bytes(data))


def _bytes(text: str) -> bytes:
    """What was typed, also where the shell's bytes are no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _escaped(code: str, text: str) -> bytes:
    if code[:1] == "x" and len(code) == 3:
        return bytes((int(code[1:], 16),))
    if code not in _ESCAPES:
        raise ArgumentError(
            f"{text!r} has a backslash that means nothing; there are \\n \\r \\t \\e \\0 \\xHH \\\\"
        )
    return _ESCAPES[code].encode()


def run_script(
    board: Board, steps: Sequence[Step], usart: str | None, *, timeout_s: float, until_s: float
) -> None:
    """Do the steps; ExpectationError or FirmwareEndedError from the first that fails.

    Each expectation may take `timeout_s`, and none goes beyond `until_s` of the chip's time.
    """
    for step in steps:
        if step.action == "send":
            board.send(step.data, usart)
        else:
            left = max(min(timeout_s, until_s - board.now_s), 0.0)
            board.wait_for_text(step.data, usart, timeout_s=left)
