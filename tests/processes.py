"""Which processes this one has started, on Linux."""

from __future__ import annotations

import os
import select
from pathlib import Path


def children(pid: int) -> list[int]:
    """Processes below this one."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return found


def named(pid: int, name: str) -> list[int]:
    """... whose program is called like this."""
    return [
        child for child in children(pid) if Path(f"/proc/{child}/comm").read_text().startswith(name)
    ]


def is_gone(pid: int) -> bool:
    """Whether a process ended, if need be within 10 s."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor) as file:
        return bool(select.select([file], [], [], 10)[0])
