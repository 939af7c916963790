"""What to know of a session when something failed on it: target, fault, memory. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from usim.abi import FaultRecord
from usim.errors import UsimError
from usim.formatting import format_address
from usim.session import Session
from usim.session_facts import SectionUse


def describe_failure(session: Session, error: BaseException | None) -> str:
    """Lines about the target, the fault that led to `error` (if one did), and the memory's state.

    Queued calls are left queued; a device that has died is named as such.
    """
    kind = session.capabilities.count
    lines = [f"{session.platform.name}, backend {session.backend}, counts {kind}"]
    cause = _usim_error(error)
    if cause is not None:
        lines.append(f"{type(cause).__name__}: {cause}")
        fault = vars(cause).get("fault")
        if isinstance(fault, FaultRecord):
            lines += _registers(fault)
    if not session.is_open:
        return "\n".join([*lines, "the session is closed"])
    try:
        lines += _memory(session.memory_use(run_queue=False))
        stats = session.stats
        lines.append(f"{stats.tasks:,} tasks ran in {stats.batches:,} batches")
    except UsimError as exc:
        lines.append(f"nothing more is known: {exc}")
    return "\n".join(lines)


def _usim_error(error: BaseException | None) -> UsimError | None:
    """The first of ours among an error and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, UsimError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def _registers(fault: FaultRecord) -> Iterator[str]:
    values = {**(fault.registers or {}), "sp": fault.sp}
    cells = [f"{name} {format_address(value)}" for name, value in values.items()]
    for at in range(0, len(cells), 4):
        yield "  " + "  ".join(f"{cell:16}" for cell in cells[at : at + 4]).rstrip()


def _memory(uses: tuple[SectionUse, ...]) -> Iterator[str]:
    for use in uses:
        used = f"{use.used_bytes:,} bytes in use, " if use.used_bytes is not None else ""
        yield f"  {use.name:9} {used}peak {use.peak_bytes:,} of {use.size_bytes:,}"
