"""A profile for people: what it took, functions, hot loops cycle by cycle, branches, stack."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from usim.formatting import format_address
from usim.profile.attribution import Attribution, FunctionUse
from usim.profile.loops import Loop
from usim.profile.recording import EndReason, Recording
from usim.profile.stack import METHOD
from usim.report.console import make_table
from usim.report.issue_diagram import diagram

_SHOWN_LOOPS = 3
_SHOWN_BRANCHES = 5
_SHOWN_LINES = 40  # of a loop
_FIDELITY = {
    "core": "modelled, core only: every memory access counts as a hit in a tightly coupled memory",
    "full": "modelled, with caches and memory waits",
    "count": "counted, not timed: every instruction counts as one",
}


def print_profile(console: Console, attribution: Attribution, loops: list[Loop], top: int) -> None:
    """The whole report; `top` functions of it."""
    recording = attribution.recording
    for line in summary_lines(attribution):
        console.print(line)
    console.print()
    console.print(_function_table(attribution, top))
    hidden = len(attribution.functions) - top
    if hidden > 0:
        console.print(f"and {hidden} more (--top {len(attribution.functions)} shows all)")
    console.print()
    for loop in loops[: min(top, _SHOWN_LOOPS)]:
        for line in _loop_lines(attribution, loop):
            console.print(line)
        console.print()
    if attribution.in_cycles and attribution.mispredicts:
        console.print(_branch_table(attribution))
        console.print()
    for use in recording.caches:
        if use.hits or use.misses:
            looked = use.hits + use.misses
            console.print(
                f"Cache         {use.name}: {looked:,} look-ups, {use.misses:,} misses "
                f"({use.misses / looked:.2%})"
            )
    for line in _stack_lines(recording):
        console.print(line)


def summary_lines(attribution: Attribution) -> Iterator[str]:
    """What ran, how it ended, what it took, and where the numbers come from."""
    recording = attribution.recording
    program, platform = recording.program, recording.platform
    entry = recording.request.entry
    arguments = ", ".join(str(value) for value in recording.request.arguments)
    started = f"{entry}({arguments})" if entry else program.describe(recording.start)
    yield f"Program       {program.file} on {platform.name}, started at {started}"
    yield f"Ended         {_ending(recording)}"
    if recording.fault:
        yield f"Fault         {recording.fault} (the program went on)"
    if attribution.in_cycles:
        milliseconds = 1e3 * recording.cycles / platform.clock_hz
        yield (
            f"Cycles        {recording.cycles:,} ({milliseconds:.3f} ms at "
            f"{platform.clock_hz / 1e6:g} MHz)"
        )
    ipc = recording.instructions / recording.cycles if recording.cycles else 0.0
    after = f", {ipc:.2f} a cycle" if attribution.in_cycles else ""
    yield f"Instructions  {recording.instructions:,}{after}"
    if attribution.in_cycles:
        yield f"Mispredicted  {attribution.mispredicts:,} branches"
    yield f"Counts        {recording.count.unit}, {_FIDELITY[recording.request.timing]}"


def _ending(recording: Recording) -> str:
    ending = recording.ending
    where = recording.program.describe(ending.address)
    value = ending.value if ending.value is not None else 0
    signed = value - (1 << 32) if value >> 31 else value
    limit = f"{recording.request.limit:,} {recording.count.unit}"
    texts: dict[EndReason, str] = {
        "until": f"before {where}, as --until asked",
        "returned": f"{recording.request.entry} returned {value:#x} ({signed}) in r0",
        "exit": f"exit with code {value} (semihosting) at {where}",
        "breakpoint": f"bkpt at {where}",
        "limit": f"limit of {limit} reached at {where}: a profile so far (--limit sets it)",
        "endless loop": f"endless loop (a branch to itself) at {where}",
        "stopped": f"stopped at {where}",
        "asleep": f"asleep (wfi or wfe) with no interrupt to come, at {where}",
    }
    return texts[ending.reason]


def _function_table(attribution: Attribution, top: int) -> Table:
    unit = attribution.recording.count.unit
    numeric = ["calls", unit, "share", "with callees", "instructions"]
    if attribution.in_cycles:
        numeric.append("IPC")
    table = make_table(f"Functions ({unit})", "function", *numeric, numeric=tuple(numeric))
    for use in attribution.functions[:top]:
        table.add_row(*_function_row(attribution, use))
    return table


def _function_row(attribution: Attribution, use: FunctionUse) -> list[str]:
    row = [
        use.name + (" (inlined)" if use.inlined else ""),
        "" if use.inlined else f"{use.calls:,}",
        f"{use.exclusive:,}",
        f"{use.exclusive / attribution.total:.1%}" if attribution.total else "",
        f"{use.inclusive:,}",
        f"{use.instructions:,}",
    ]
    if attribution.in_cycles:
        row.append(f"{use.instructions / use.exclusive:.2f}" if use.exclusive else "")
    return row


def _loop_lines(attribution: Attribution, loop: Loop) -> Iterator[str]:
    program = attribution.recording.program
    unit = attribution.recording.count.unit
    share = loop.count / attribution.total if attribution.total else 0
    line = program.source.line_at(loop.start)
    place = f" ({line.file}:{line.line})" if line else ""
    each = loop.count / loop.iterations
    yield (
        f"Loop in {loop.function or '?'} at {format_address(loop.start)}{place}: "
        f"{loop.iterations:,} iterations of {each:.2f} {unit}, {share:.1%} of all"
    )
    if not attribution.in_cycles:
        return
    lines = list(_block_lines(loop))
    yield from lines[:_SHOWN_LINES]
    if len(lines) > _SHOWN_LINES:
        more = f"`usim annotate {attribution.recording.program.file} {loop.function}`"
        yield f"  ... {len(lines) - _SHOWN_LINES} lines more, see {more} or --json"


def _block_lines(loop: Loop) -> Iterator[str]:
    for block in loop.blocks:
        if len(loop.blocks) > 1:
            yield f"  block {format_address(block.address)}, in its most frequent state"
        yield from diagram(block)


def _branch_table(attribution: Attribution) -> Table:
    numeric = ("executed", "mispredicted", "rate")
    table = make_table("Mispredicted branches", "branch", "at", *numeric, numeric=numeric)
    missed = [use for use in attribution.instructions.values() if use.mispredicts]
    missed.sort(key=lambda use: (-use.mispredicts, use.instruction.address))
    for use in missed[:_SHOWN_BRANCHES]:
        table.add_row(
            use.instruction.text,
            attribution.recording.program.describe(use.instruction.address),
            f"{use.executions:,}",
            f"{use.mispredicts:,}",
            f"{use.mispredicts / use.executions:.1%}" if use.executions else "",
        )
    return table


def _stack_lines(recording: Recording) -> Iterator[str]:
    use = recording.stack
    if use is None:
        yield "Stack         not measured: no free RAM below the initial stack pointer"
        return
    yield (
        f"Stack         {use.peak_bytes:,} bytes at most, below {format_address(use.top)}; "
        f"{use.room_bytes:,} bytes of room"
    )
    yield f"              {METHOD}"
