"""Draws an arena over time in characters: a column a step, a row a slice of the memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from string import ascii_letters

from usim.models.planner import ArenaPlan, Placement

_ROWS = 20
_COLUMNS = 100
_MARKS = ascii_letters + "0123456789"
_FREE = "."


def marks(plan: ArenaPlan) -> dict[int, str]:
    """A character for each buffer, by its tensor, in order of their lives.

    There are 62; buffers beyond these share them, in the same order once more.
    """
    ordered = by_life(plan)
    return {
        placement.lifetime.tensor: _MARKS[number % len(_MARKS)]
        for number, placement in enumerate(ordered)
    }


def by_life(plan: ArenaPlan) -> list[Placement]:
    """The placements in the order in which their buffers are first written."""
    return sorted(plan.placements, key=lambda item: (item.lifetime.first, item.lifetime.tensor))


def arena_text(plan: ArenaPlan, steps: int) -> Iterator[str]:
    """Lines of text, the arena's end first. `steps` is the number of operators.

    A character stands for the buffer that holds most of its slice; "." is free memory. In models
    with very many operators a column is several of them, and shows the first.
    """
    if not plan.size_bytes:
        return
    rows = min(_ROWS, -(-plan.size_bytes // 16))
    mark = marks(plan)
    # From the writing of the inputs to the reading of the outputs.
    times = list(range(-1, steps + 1))
    stride = -(-len(times) // _COLUMNS)
    width = max(1, min(4, _COLUMNS // -(-len(times) // stride)))
    times = times[::stride]
    bounds = [plan.size_bytes * row // rows for row in range(rows + 1)]
    columns = [_column(_alive(plan, time), bounds, mark) for time in times]
    for row in reversed(range(rows)):
        cells = "".join(column[row] * width for column in columns)
        yield f"{bounds[row + 1]:>11,} |{cells}|"
    yield f"{0:>11} +{'-' * (width * len(times))}+"
    yield " " * 13 + _axis(times, width)


def _alive(plan: ArenaPlan, time: int) -> list[Placement]:
    return [item for item in plan.placements if item.lifetime.first <= time <= item.lifetime.last]


def _column(alive: list[Placement], bounds: list[int], mark: dict[int, str]) -> list[str]:
    """A character a slice, from the arena's start upwards."""
    cells = []
    for low, high in pairwise(bounds):
        best, most = _FREE, 0
        for item in alive:
            held = min(high, item.offset + item.lifetime.size_bytes) - max(low, item.offset)
            if held > most:
                best, most = mark[item.lifetime.tensor], held
        cells.append(best)
    return cells


def _axis(times: list[int], width: int) -> str:
    """Operators' numbers under their columns, as many as have room; `in` for the inputs."""
    line = ""
    for number, time in enumerate(times):
        label = "in" if time < 0 else "out" if number == len(times) - 1 else str(time)
        at = number * width
        if at >= len(line) + bool(line):
            line = line.ljust(at) + label
    return line
