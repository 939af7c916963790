"""How deep the stack went: the RAM below the initial stack pointer is painted, then looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from usim.devices import Device
from usim.platforms import Platform
from usim.profile.program import Program

_PAINT: Final = b"\xa5\x5a\xc3\x3c"
METHOD: Final = (
    "RAM below the initial stack pointer was painted; what lies above the largest part that was "
    "never written is stack. A heap below that part is not counted"
)


@dataclass(frozen=True, slots=True)
class StackUse:
    """The main stack. `room_bytes` reaches down to what the program has in RAM."""

    top: int
    peak_bytes: int
    room_bytes: int


class PaintedStack:
    """Paints before the run, measures after it."""

    def __init__(self, device: Device, program: Program, top: int) -> None:
        self._device = device
        self._top = top
        self._bottom = _lowest_free(program, device.platform, top)
        room = self._top - self._bottom
        if room > 0:
            device.write(self._bottom, _PAINT * (room // 4))

    def measure(self) -> StackUse | None:
        """None where there is no room to paint."""
        room = self._top - self._bottom
        if room <= 0:
            return None
        content = self._device.read(self._bottom, room)
        untouched = max(
            (match for match in re.finditer(b"(?:" + re.escape(_PAINT) + b")+", content)),
            key=lambda match: match.end() - match.start(),
            default=None,
        )
        used = room - untouched.end() if untouched else room
        return StackUse(self._top, used, room)


def _lowest_free(program: Program, platform: Platform, top: int) -> int:
    """The first address of the free RAM that ends at `top`, or of the section that holds it."""
    region = platform.region_at(top - 4)
    if region is None:
        return top
    bottom = region.base
    while (below := platform.region_at(bottom - 4)) is not None and below.kind == "ram":
        bottom = below.base
    for section in program.sections:
        if section.address < top <= section.end:
            return (section.address + 3) & ~3  # a section made for the stack
        if section.end <= top:
            bottom = max(bottom, section.end)
    return (bottom + 3) & ~3
