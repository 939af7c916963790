"""A function's disassembly with what each instruction cost, and the C lines between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from usim.formatting import format_address
from usim.profile.attribution import Attribution, InstructionUse
from usim.profile.program import Function
from usim.profile.source import SourceLine
from usim.report.issue_diagram import explain
from usim.timing.decode import Instruction

_TEXT_WIDTH = 36


def listing(
    attribution: Attribution, function: Function, code: Sequence[Instruction]
) -> Iterator[str]:
    """Lines of text for the whole function, what was never executed included."""
    source = attribution.recording.program.source
    unit = attribution.recording.count.unit
    uses = attribution.instructions
    own = sum(uses[item.address].count for item in code if item.address in uses)
    yield (
        f"{function.name} at {format_address(function.address)}: {own:,} {unit} of "
        f"{attribution.total:,}, code inlined into it included"
    )
    yield f"{'executed':>12} {unit:>12} {'each':>7}    address      instruction"
    shown: SourceLine | None = None
    inlined: tuple[str, ...] = ()
    for item in code:
        line, chain = source.line_at(item.address), source.inlined_at(item.address)
        if (line is not None and line != shown) or chain != inlined:
            yield from _source_line(line, chain)
            shown, inlined = line, chain
        yield _row(item, uses.get(item.address))
    yield "+ beside the instruction above it, in the same cycle (in most executions)"


def _source_line(line: SourceLine | None, chain: tuple[str, ...]) -> Iterator[str]:
    if line is None:
        return
    origin = f" [inlined: {' > '.join(chain)}]" if chain else ""
    text = _text_of(line.path, line.line)
    yield f"; {line.file}:{line.line}{origin}{'  ' + text if text else ''}"


@lru_cache(maxsize=64)
def _lines_of(path: str) -> tuple[str, ...]:
    try:
        return tuple(Path(path).read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return ()  # the program was built elsewhere


def _text_of(path: str, line: int) -> str:
    lines = _lines_of(path)
    return lines[line - 1].strip() if 0 < line <= len(lines) else ""


def _row(item: Instruction, use: InstructionUse | None) -> str:
    text = f"{format_address(item.address)}  {item.text:<{_TEXT_WIDTH}}"
    if use is None or not use.executions:
        return f"{'-':>12} {'':>12} {'':>7}    {text}".rstrip()
    mark = "+" if 2 * use.paired > use.executions else " "
    each = use.count / use.executions
    return (
        f"{use.executions:>12,} {use.count:>12,} {each:>7.2f}  {mark} {text}{_stalls(use)}".rstrip()
    )


def _stalls(use: InstructionUse) -> str:
    return "; ".join(
        f"{explain(reason)} ({cycles / use.executions:.2f})"
        for reason, cycles in use.stalls.most_common()
        if cycles
    )
