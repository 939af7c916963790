"""Splits a Renode platform file into logical lines: no comments, brackets closed, strings whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from usim.description_files import fail_at

_CLOSERS = {"{": "}", "[": "]", "(": ")"}
_INDENT = 4


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One statement: where it begins, how deep it is indented (in steps), and its text."""

    file: Path
    number: int
    depth: int
    text: str

    def fail(self, problem: str) -> NoReturn:
        """Refuse this line."""
        fail_at(self.file, self.number, problem)

    def inside(self, text: str) -> LogicalLine:
        """A statement written inside this line's braces."""
        return LogicalLine(self.file, self.number, self.depth + 1, text)


def logical_lines(file: Path, text: str) -> list[LogicalLine]:
    """All statements of a file; a bracket or string joins the lines that it spans."""
    return list(_Scanner(file, text).lines())


def split_statements(text: str, separator: str = ";") -> list[str]:
    """Split at separators that stand outside of brackets and strings."""
    parts, depth, start, position = [], 0, 0, 0
    while position < len(text):
        character = text[position]
        if character == '"':
            position = string_end(text, position) or len(text)
            continue
        depth += (character in "{[(") - (character in "}])")
        if character == separator and depth == 0:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def string_end(text: str, start: int) -> int | None:
    """The position after the string that opens at `start`, or None if it never closes."""
    if text.startswith("'''", start):
        end = text.find("'''", start + 3)
        return end + 3 if end >= 0 else None
    position = start + 1
    while position < len(text) and text[position] not in '"\n':
        position += 2 if text[position] == "\\" else 1
    return position + 1 if text[position : position + 1] == '"' else None


def block_end(text: str) -> int:
    """The position after the block that opens at the start of `text` (known to be closed)."""
    depth = position = 0
    while position < len(text):
        if text[position] == '"':
            position = string_end(text, position) or len(text)
            continue
        depth += (text[position] in "{[(") - (text[position] in "}])")
        position += 1
        if depth == 0:
            break
    return position


@dataclass(slots=True)
class _Scanner:
    file: Path
    text: str
    position: int = 0
    number: int = 1
    _start: int = 1
    _pieces: list[str] = field(default_factory=list)
    _open: list[tuple[str, int]] = field(default_factory=list)

    def lines(self) -> Iterator[LogicalLine]:
        while self.position < len(self.text):
            if self.text[self.position] == "\n" and not self._open:
                yield from self._finish()
            else:
                self._step()
        if self._open:
            bracket, number = self._open[-1]
            fail_at(self.file, number, f"{bracket} is never closed")
        yield from self._finish()

    def _step(self) -> None:
        text, position = self.text, self.position
        character = text[position]
        if character == '"' or text.startswith("'''", position):
            self._take(string_end(text, position), "string")
        elif text.startswith("/*", position):
            end = text.find("*/", position + 2)
            self._take(end + 2 if end >= 0 else None, "comment", keep=False)
        # Renode's own rule, which lets URLs stand: // opens a comment only after white space.
        elif text.startswith("//", position) and (position == 0 or text[position - 1].isspace()):
            end = text.find("\n", position)
            self._take(end if end >= 0 else len(text), "comment", keep=False)
        else:
            self._bracket(character)
            self._pieces.append(" " if character in "\r\n" else character)
            self.number += character == "\n"
            self.position += 1

    def _take(self, end: int | None, what: str, *, keep: bool = True) -> None:
        if end is None:
            fail_at(self.file, self.number, f"{what} is never closed")
        taken = self.text[self.position : end]
        self._pieces.append(taken if keep else " " * (len(taken) - taken.rfind("\n") - 1))
        self.number += taken.count("\n")
        self.position = end

    def _bracket(self, character: str) -> None:
        if character in _CLOSERS:
            self._open.append((character, self.number))
        elif character in _CLOSERS.values():
            if not self._open or _CLOSERS[self._open[-1][0]] != character:
                fail_at(self.file, self.number, f"{character} closes nothing")
            self._open.pop()

    def _finish(self) -> Iterator[LogicalLine]:
        """End the line at a newline (or at the end of the file) and begin the next."""
        text = "".join(self._pieces)
        start = self._start
        self._pieces.clear()
        self.position += 1
        self.number += 1
        self._start = self.number
        if not text.strip():
            return
        white = text[: len(text) - len(text.lstrip())]
        if "\t" in white:
            fail_at(self.file, start, "tab in the indentation; use four spaces")
        if len(white) % _INDENT:
            fail_at(self.file, start, f"indented by {len(white)} spaces; use a multiple of four")
        yield LogicalLine(self.file, start, len(white) // _INDENT, text.strip())
