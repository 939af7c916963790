"""The connections of a Renode platform file: which output of a peripheral leads to which input.

Format: Renode's documentation, "Platform description format", interrupts: `-> nvic@37`,
`UpdateInterrupt -> nvic@25`, `[0-4] -> nvic@[6-10]`, `0 -> syscfg#1@0 | other@3`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from usim.repl_text import LogicalLine

_DESTINATION = re.compile(r"([A-Za-z_]\w*)(?:#(\d+))?@(\[[^\]]*\]|\d+)")
_SPAN = re.compile(r"(\d+)\s*-\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Connection:
    """A wire. An output is a name, a number, or "" for a peripheral's only or default one."""

    output: str | int
    receiver: str
    input: int
    # Which group of the receiver's inputs, where it has several: `syscfg#1@0`.
    group: int = 0


def read_connections(line: LogicalLine, head: str, destination: str) -> tuple[Connection, ...]:
    """Read what stands before and behind the arrow; `none` and other forms connect nothing."""
    outputs = _outputs(head.strip())
    found = []
    for text in destination.split("|"):
        match = _DESTINATION.fullmatch(text.strip())
        if match is None:
            continue
        inputs = [place for place in _places(match[3]) if isinstance(place, int)]
        if len(inputs) == 1:
            inputs *= len(outputs)  # several may drive one input
        if len(inputs) != len(outputs):
            line.fail(f"{len(outputs)} outputs lead to {len(inputs)} inputs of {match[1]}")
        found += [
            Connection(output, match[1], place, int(match[2] or 0))
            for output, place in zip(outputs, inputs, strict=True)
        ]
    return tuple(found)


def _outputs(text: str) -> list[str | int]:
    return _places(text) if text else [""]


def _places(text: str) -> list[str | int]:
    """A name or number, or a list of them with spans: `[0-3, 7]`."""
    places: list[str | int] = []
    for part in text.strip("[]").split(","):
        word = part.strip()
        if span := _SPAN.fullmatch(word):
            places += range(int(span[1]), int(span[2]) + 1)
        else:
            places.append(int(word) if word.isdigit() else word)
    return places
