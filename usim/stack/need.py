"""The stack that a task needs: its function's, and what the runtime has below it.

The call graph is followed with each function's frame (frames.py). Recursion, a call through a
pointer that is not one of usim.h's, or a frame that depends on a value has no bound.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from usim.cache import Cache, content_key
from usim.loader import PlacedSymbol
from usim.stack.code import PlacedCode
from usim.stack.frames import Frame, frame_of
from usim.toolchain.inputs import digest_of_folders

_FOLDERS: Final = (Path(__file__).parent, Path(__file__).parents[1] / "timing")


@dataclass(frozen=True, slots=True)
class StackNeed:
    """The most that can be needed, in bytes; None, and why, if that cannot be told."""

    size_bytes: int | None
    problem: str = ""


class StackNeeds:
    """The needs of the functions in some code."""

    def __init__(self, code: PlacedCode) -> None:
        self._code = code
        self._frames = _all_frames(code)
        self._needs: dict[int, StackNeed] = {}

    def of(self, address: int, task: StackNeed | None = None) -> StackNeed:
        """What the function at `address` needs with all that it calls.

        With `task`, a call through a pointer is the call of a task that needs as much, and a frame
        that depends on a value holds that task's arguments, which are in its need.
        """
        needs: dict[int, StackNeed] = {} if task is not None else self._needs
        return self._follow(address, (), task, needs)

    def _follow(
        self, address: int, chain: tuple[int, ...], task: StackNeed | None,
        needs: dict[int, StackNeed],
    ) -> StackNeed:  # fmt: skip
        if address in needs:
            return needs[address]
        symbol, frame = self._code.functions.get(address), self._frames.get(address)
        if symbol is None or frame is None:
            return StackNeed(None, f"{address:#x} is called, and is no function that is known")
        if address in chain:
            return StackNeed(None, f"{symbol.name} calls itself")
        if frame.problem or (frame.grows and task is None):
            return StackNeed(None, frame.problem or f"{symbol.name} has a frame of variable size")
        most = frame.own_bytes
        for depth, callee in frame.calls:
            if callee is None:
                called = task or StackNeed(None, f"{symbol.name} calls through a pointer")
            else:
                called = self._follow(callee, (*chain, address), task, needs)
            if called.size_bytes is None:
                return called
            most = max(most, depth + called.size_bytes)
        needs[address] = StackNeed(most)
        return needs[address]


def task_stack_need(
    code: PlacedCode, start: int, functions: Sequence[tuple[int, int]]
) -> StackNeed:
    """The need of the worst of `functions`, run as tasks by the runtime's code from `start` on.

    A function is (address, bytes of arguments on the stack).
    """
    needs = StackNeeds(code)
    worst = StackNeed(0)
    for address, argument_bytes in functions:
        need = needs.of(address)
        if need.size_bytes is None:
            return need
        worst = max(worst, StackNeed(need.size_bytes + argument_bytes), key=_size)
    return needs.of(start, worst)


def _size(need: StackNeed) -> int:
    return need.size_bytes or 0


def _all_frames(code: PlacedCode) -> dict[int, Frame]:
    """All functions' frames, piece by piece: the runtime is the same for every model."""
    digest = digest_of_folders(_FOLDERS) if all(folder.is_dir() for folder in _FOLDERS) else None
    frames: dict[int, Frame] = {}
    for base, text in code.texts:
        places = range(base, base + len(text))
        functions = [item for item in code.functions.values() if item.address in places]
        if digest is None:
            frames |= {item.address: frame_of(code, item.address) for item in functions}
        else:
            frames |= _known_frames(code, functions, digest, base.to_bytes(4, "little") + text)
    return frames


def _known_frames(
    code: PlacedCode, functions: Sequence[PlacedSymbol], digest: str, text: bytes
) -> dict[int, Frame]:
    """Of one piece; from the cache, if it was looked at before."""
    places = [(item.name, item.address, item.size_bytes) for item in functions]
    facts = json.dumps([places, sorted(code.pointers.items())])
    cache, key = Cache(), content_key("frames", digest, facts, text)
    stored = cache.get(key)
    if stored is not None:
        rows = json.loads(stored)
        return {
            int(address): Frame(**row | {"calls": tuple(map(tuple, row["calls"]))})
            for address, row in rows.items()
        }
    frames = {item.address: frame_of(code, item.address) for item in functions}
    cache.put(key, json.dumps({at: asdict(frame) for at, frame in frames.items()}).encode())
    return frames
