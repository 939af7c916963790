"""Draws how a block was issued: a line a cycle, what paired in it, what had to wait and why."""

from __future__ import annotations

from collections.abc import Iterator

from usim.profile.attribution import charges
from usim.timing.pipeline import Slot
from usim.timing.timed_block import TimedBlock

_WIDTH = 34
# What the issue model's reasons mean.
EXPLAINED = {
    "operand": "waits for an operand",
    "flags": "waits for flags",
    "unit": "finds no unit free",
    "alone": "issues alone",
    "fetch": "waits for its fetch",
    "fp after mac": "waits behind a floating-point MAC",
    "stored just before": "waits for a store to the same word",
    "mispredicted": "branch mispredicted",
    "memory": "waits for memory (of its whole block)",
}


def explain(reason: str) -> str:
    """A reason of the issue model in words; as it is if it is new."""
    return EXPLAINED.get(reason, reason)


def diagram(block: TimedBlock) -> Iterator[str]:
    """Lines of text: cycle, older slot, younger slot, remarks."""
    yield f"  {'cycle':>5}  {'older':<{_WIDTH}}{'younger':<{_WIDTH}}".rstrip()
    older: Slot | None = None
    remark = ""
    for slot, charge in zip(block.issued.slots, charges(block), strict=True):
        if slot.younger:
            yield _line(slot.cycle, older, slot, remark)
            older, remark = None, ""
            continue
        if older is not None:
            # Why the younger slot stayed empty is the reason of what should have gone there.
            alone = "" if charge.stall else slot.reason
            yield _line(older.cycle, older, None, _join(remark, _not_paired(slot, alone)))
        if charge.stall:
            first = slot.cycle - charge.stall
            for cycle in range(first, slot.cycle):
                yield f"  {cycle:>5}  {'.':<{_WIDTH}}{'':<{_WIDTH}}{_waiting(slot)}"
        older, remark = slot, _lasting(slot)
    if older is not None:
        yield _line(older.cycle, older, None, remark)


def _line(cycle: int, older: Slot | None, younger: Slot | None, remark: str) -> str:
    left = older.instruction.text if older else "(of the block before)"
    right = younger.instruction.text if younger else ""
    return f"  {cycle:>5}  {left:<{_WIDTH}}{right:<{_WIDTH}}{remark}".rstrip()


def _waiting(slot: Slot) -> str:
    return f"{_mnemonic(slot)} {explain(slot.reason)}"


def _not_paired(slot: Slot, reason: str) -> str:
    return f"{_mnemonic(slot)} {explain(reason)}" if reason and reason != "pairs" else ""


def _lasting(slot: Slot) -> str:
    cycles = slot.instruction.issue_cycles
    return f"takes {cycles} cycles" if cycles > 1 else ""


def _mnemonic(slot: Slot) -> str:
    return slot.instruction.text.partition(" ")[0]


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
