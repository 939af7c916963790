"""Tells code that goes round for ever, such as `while (1);`, from a loop that may end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from usim.timing.decode import decode

_LONGEST_LOOP: Final = 16  # instructions
_LONGEST_INSTRUCTION_BYTES: Final = 4
_HINTS: Final = frozenset({"nop", "wfi", "wfe", "yield", "sev", "dsb", "isb", "dmb"})


def loops_for_ever(read: Callable[[int, int], bytes], pc: int) -> bool:
    """Whether what runs from `pc` on comes back to where it was, and does nothing on its way.

    Only unconditional branches and hints count as nothing: a loop that reads, writes, counts or
    decides may end one day. `read(address, size_bytes)` gives code.
    """
    seen: set[int] = set()
    at = pc
    for _ in range(_LONGEST_LOOP):
        if at in seen:
            return True
        seen.add(at)
        instruction = next(iter(decode(read(at, _LONGEST_INSTRUCTION_BYTES), at)), None)
        if instruction is None:
            return False
        if instruction.branch == "direct" and instruction.target is not None:
            at = instruction.target
        elif instruction.text.split()[0].partition(".")[0] in _HINTS:
            at = instruction.end
        else:
            return False
    return False
