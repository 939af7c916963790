"""A profile as plain data: for --json, and for speedscope (https://www.speedscope.app)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from usim.formatting import format_address
from usim.profile.attribution import Attribution, InstructionUse, call_paths, charges
from usim.profile.loops import Loop
from usim.profile.recording import Recording
from usim.profile.stack import METHOD
from usim.timing.timed_block import TimedBlock

# Version of the JSON layout; it grows when a key changes its meaning.
JSON_FORMAT: Final = 1
SPEEDSCOPE_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"


def profile_as_json(attribution: Attribution, loops: list[Loop]) -> dict[str, Any]:
    """Everything. Counts are integers in `count.unit`; addresses are hexadecimal text."""
    recording = attribution.recording
    return {
        "format": JSON_FORMAT,
        "program": recording.program.file,
        "platform": recording.platform.name,
        "clock_hz": recording.platform.clock_hz,
        "count": _count(recording),
        "start": _start(recording),
        "end": {
            "reason": recording.ending.reason,
            "address": _address(recording.ending.address),
            "where": recording.program.describe(recording.ending.address),
            "value": recording.ending.value,
        },
        "fault": recording.fault,
        "totals": _totals(attribution),
        "functions": _functions(attribution),
        "loops": [_loop(loop) for loop in loops],
        "branches": _branches(attribution),
        "caches": [asdict(use) for use in recording.caches],
        "stack": _stack(recording),
    }


def _count(recording: Recording) -> dict[str, str]:
    fidelity = "" if recording.request.timing == "count" else recording.request.timing
    return {"unit": recording.count.unit, "source": recording.count.source, "fidelity": fidelity}


def _start(recording: Recording) -> dict[str, Any]:
    table = recording.vector_table
    return {
        "address": _address(recording.start),
        "vector_table": None if table is None else _address(table),
        "entry": recording.request.entry,
        "arguments": list(recording.request.arguments),
    }


def _totals(attribution: Attribution) -> dict[str, Any]:
    recording = attribution.recording
    data: dict[str, Any] = {"count": attribution.total, "instructions": recording.instructions}
    if attribution.in_cycles:
        data |= {
            "instructions_per_cycle": _ratio(recording.instructions, recording.cycles),
            "milliseconds": 1e3 * recording.cycles / recording.platform.clock_hz,
            "mispredicted_branches": attribution.mispredicts,
            "exceptions_count": recording.interruption_cycles,
        }
    return data


def _functions(attribution: Attribution) -> list[dict[str, Any]]:
    total = attribution.total
    rows = []
    for use in attribution.functions:
        row: dict[str, Any] = asdict(use)
        row["address"] = _address(use.address)
        row["share"] = _ratio(use.exclusive, total)
        if attribution.in_cycles:
            row["instructions_per_cycle"] = _ratio(use.instructions, use.exclusive)
        rows.append(row)
    return rows


def _loop(loop: Loop) -> dict[str, Any]:
    return {
        "start": _address(loop.start),
        "end": _address(loop.end),
        "function": loop.function,
        "iterations": loop.iterations,
        "count": loop.count,
        "own_count": loop.own_count,
        "blocks": [_block(block) for block in loop.blocks],
    }


def _block(block: TimedBlock) -> dict[str, Any]:
    return {
        "address": _address(block.address),
        "executions": block.executions,
        "cycles": block.end_cycle - block.first_cycle,
        "issue": [
            {
                "address": _address(slot.instruction.address),
                "text": slot.instruction.text,
                "cycle": slot.cycle,
                "paired": slot.younger,
                "cycles": charge.count,
                "stall_cycles": charge.stall,
                "reason": slot.reason,
            }
            for slot, charge in zip(block.issued.slots, charges(block), strict=True)
        ],
    }


def _branches(attribution: Attribution) -> list[dict[str, Any]]:
    program = attribution.recording.program
    missed = [use for use in attribution.instructions.values() if use.mispredicts]
    missed.sort(key=lambda use: (-use.mispredicts, use.instruction.address))
    return [
        {
            "address": _address(use.instruction.address),
            "where": program.describe(use.instruction.address),
            "executions": use.executions,
            "mispredicts": use.mispredicts,
        }
        for use in missed
    ]


def _stack(recording: Recording) -> dict[str, Any] | None:
    if recording.stack is None:
        return None
    use = recording.stack
    return {
        "top": _address(use.top),
        "peak_bytes": use.peak_bytes,
        "room_bytes": use.room_bytes,
        "method": METHOD,
    }


def annotation_as_json(attribution: Attribution, uses: list[InstructionUse]) -> list[Any]:
    """The instructions of a function."""
    source = attribution.recording.program.source
    rows = []
    for use in uses:
        at = use.instruction.address
        line = source.line_at(at)
        rows.append(
            {
                "address": _address(at),
                "text": use.instruction.text,
                "executions": use.executions,
                "count": use.count,
                "paired": use.paired,
                "stalls": dict(use.stalls),
                "mispredicts": use.mispredicts,
                "file": line.file if line else None,
                "line": line.line if line else None,
                "inlined_from": list(source.inlined_at(at)),
            }
        )
    return rows


def flame_graph(attribution: Attribution) -> dict[str, Any]:
    """The call tree in speedscope's file format, one sampled profile."""
    recording = attribution.recording
    frames: dict[tuple[str, int], int] = {}
    samples, weights = [], []
    for path in call_paths(attribution):
        samples.append([frames.setdefault(place, len(frames)) for place in path.functions])
        weights.append(path.count)
    unit = recording.count.unit
    name = f"{recording.program.file} on {recording.platform.name}, {unit}"
    return {
        "$schema": SPEEDSCOPE_SCHEMA,
        "name": name,
        "exporter": "usim",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(recording, *place) for place in frames]},
        "profiles": [
            {
                "type": "sampled",
                "name": name,
                "unit": "none",  # it knows times and bytes, but no cycles
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
    }


def _frame(recording: Recording, name: str, address: int) -> dict[str, Any]:
    frame: dict[str, Any] = {"name": name}
    line = recording.program.source.line_at(address)
    if line is not None:
        frame |= {"file": line.file, "line": line.line}
    return frame


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _address(address: int) -> str:
    return format_address(address)
