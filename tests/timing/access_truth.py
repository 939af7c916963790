"""What a program really accesses, beside what the memory model believes, block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from unicorn import UcError, unicorn_const

from usim.timing.addresses import Access, BlockAccesses, find_accesses
from usim.timing.memory import LINE_BYTES

Bytes = Counter[tuple[int, bool]]  # (address, is_write) -> times


def bytes_of(address: int, size_bytes: int, is_write: bool) -> list[tuple[int, bool]]:
    return [(at, is_write) for at in range(address, address + size_bytes)]


@dataclass
class BlockRun:
    """One execution of a block."""

    address: int
    size_bytes: int
    accesses: BlockAccesses
    terms: Callable[[int], int]  # as at its entry
    believed: Bytes = field(default_factory=Counter)
    merged: Bytes = field(default_factory=Counter)
    # Lines that the native side looks up, were they all behind the cache.
    looked_up: list[int] = field(default_factory=list)
    true: Bytes = field(default_factory=Counter)
    has_run: bool = False


class EnoughError(Exception):
    """As many blocks as were wanted have run."""


class AccessRecorder:
    """Hooks on everything that runs; the comparison is left to the test."""

    def __init__(self, engine: Any, at_most: int = 100_000) -> None:
        self._engine = engine
        self._at_most = at_most
        self._found: dict[tuple[int, int, int], BlockAccesses] = {}
        self._seen: list[BlockRun] = []
        uc = engine._uc
        uc.hook_add(unicorn_const.UC_HOOK_BLOCK, self._on_block)
        uc.hook_add(unicorn_const.UC_HOOK_CODE, self._on_instruction)
        kinds = unicorn_const.UC_HOOK_MEM_READ | unicorn_const.UC_HOOK_MEM_WRITE
        uc.hook_add(kinds, self._on_access)

    @property
    def runs(self) -> list[BlockRun]:
        """Blocks that have run; where one was only looked at first, it is here once."""
        return [run for run in self._seen if run.has_run]

    def _register(self, number: int) -> int:
        return int(self._engine.read_register(f"r{number}"))

    def _load(self, address: int, size: int) -> int:
        try:
            return int.from_bytes(self._engine._uc.mem_read(address, size), "little")
        except UcError:
            return 0

    def _bytes(self, run: BlockRun, access: Access) -> list[tuple[int, bool]]:
        at = access.address.value(run.terms)
        return bytes_of(at, access.size_bytes, access.is_write)

    def _look_up(self, run: BlockRun, access: Access) -> None:
        touched = self._bytes(run, access)
        run.merged.update(touched)
        run.looked_up += sorted({at // LINE_BYTES for at, _ in touched})

    def _on_block(self, uc: Any, address: int, size: int, _data: object) -> None:
        if len(self._seen) >= self._at_most:
            raise EnoughError
        key = address, size, self._engine.left_of_it_block()
        if key not in self._found:
            code = bytes(uc.mem_read(address, size))
            self._found[key] = find_accesses(code, address, key[2])
        found = self._found[key]
        run = BlockRun(address, size, found, found.terms(self._register, self._load))
        for _, access in run.accesses.known:
            run.believed.update(self._bytes(run, access))
        for access in run.accesses.merged:
            self._look_up(run, access)
        self._seen.append(run)

    def _on_instruction(self, _uc: Any, address: int, _size: int, _data: object) -> None:
        run = self._seen[-1]
        run.has_run = True
        for place, access in run.accesses.at_instruction:
            if place == address:
                run.believed.update(self._bytes(run, access))
                self._look_up(run, access)

    def _on_access(
        self, _uc: Any, kind: int, address: int, size: int, _value: int, _data: object
    ) -> None:
        is_write = kind == unicorn_const.UC_MEM_WRITE
        self._seen[-1].true.update(bytes_of(address, size, is_write))
