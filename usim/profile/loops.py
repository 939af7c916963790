"""The hottest loops: where a branch jumps back inside its function, and how an iteration issues."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from usim.profile.attribution import Attribution
from usim.timing.timed_block import TimedBlock


@dataclass(frozen=True, slots=True)
class Loop:
    """Code from `start` to the backward branch that ends at `end`.

    `count` is what its own code took over all iterations, called functions left out;
    `own_count` leaves inner loops out too. `blocks` are its blocks in the states in which they ran
    most, in the order of their addresses.
    """

    start: int
    end: int
    function: str
    iterations: int
    count: int
    own_count: int
    blocks: tuple[TimedBlock, ...]


def find_loops(attribution: Attribution) -> list[Loop]:
    """All loops that ran, the one with the largest count of its own first."""
    spans = _spans(attribution)
    loops = []
    for (start, end), function in spans.items():
        inner = [
            span for span in spans if span != (start, end) and start <= span[0] and span[1] <= end
        ]
        uses = attribution.of_range(start, end)
        own = sum(
            use.count
            for use in uses
            if not any(low <= use.instruction.address < high for low, high in inner)
        )
        loops.append(
            Loop(
                start,
                end,
                function,
                uses[0].executions,
                sum(use.count for use in uses),
                own,
                _typical_blocks(attribution, start, end),
            )
        )
    return sorted(loops, key=lambda loop: (-loop.own_count, loop.start))


def _spans(attribution: Attribution) -> dict[tuple[int, int], str]:
    """(start, end) of each loop and its function. Of several branches to a start, the last one."""
    program = attribution.recording.program
    ends: dict[int, int] = {}
    for block in attribution.recording.blocks:
        last = block.instructions[-1] if block.instructions else None
        if last is None or last.branch not in ("conditional", "direct") or last.target is None:
            continue
        if last.target > last.address or last.target not in attribution.instructions:
            continue
        if attribution.instructions[last.target].executions < 2:
            continue  # it never went back
        if program.function_at(last.target) == program.function_at(last.address):
            ends[last.target] = max(ends.get(last.target, 0), last.end)
    names = {}
    for start, end in ends.items():
        names[start, end] = attribution.names.at(start)[0]
    return names


def _typical_blocks(attribution: Attribution, start: int, end: int) -> tuple[TimedBlock, ...]:
    """Of the blocks inside, each in its most frequent state; none that overlap."""
    by_place: defaultdict[tuple[int, int], list[TimedBlock]] = defaultdict(list)
    for block in attribution.recording.blocks:
        if block.executions and start <= block.address and block.instructions[-1].end <= end:
            by_place[block.address, block.instructions[-1].end].append(block)
    frequent = sorted(
        by_place.items(), key=lambda item: (-sum(b.executions for b in item[1]), item[0])
    )
    chosen: list[tuple[int, int]] = []
    for (low, high), _ in frequent:
        if all(high <= other_low or other_high <= low for other_low, other_high in chosen):
            chosen.append((low, high))
    return tuple(
        max(by_place[place], key=lambda block: (block.executions, -block.issued.cycles))
        for place in sorted(chosen)
    )
