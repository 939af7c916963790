"""What a session says of itself: its traffic, a staged batch, how full its memory is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a session has asked of its device so far. A transaction is one request over the link."""

    batches: int
    tasks: int
    transactions: int
    bytes_to_device: int
    bytes_from_device: int


@dataclass(frozen=True, slots=True)
class Staged:
    """A batch in memory that a reset of the core would run: where it starts and where it ends."""

    vector_table: int
    start: int
    done: int
    tasks: int


@dataclass(frozen=True, slots=True)
class SectionUse:
    """How full a section is, in bytes. `used_bytes` is what is allocated; of workspace and stack,
    what a model needs by its code, and None if no model is asked for or that cannot be told."""

    name: str
    used_bytes: int | None
    peak_bytes: int
    size_bytes: int
