"""System configuration of the STM32F7 (RM0385 and RM0410, chapter 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from usim.devices.peripherals.base import RegisterBlock

MEMRMP: Final = 0x00
PMC: Final = 0x04
EXTICR: Final = (0x08, 0x0C, 0x10, 0x14)
CMPCR: Final = 0x20
_CMP_PD: Final = 1 << 0
_READY: Final = 1 << 8


class SystemConfiguration(RegisterBlock):
    """SYSCFG: which port each external interrupt listens to. Remapping memory has no effect."""

    name = "SYSCFG"
    reset_values: ClassVar[Mapping[int, int]] = dict.fromkeys((MEMRMP, PMC, *EXTICR, CMPCR), 0)
    register_names: ClassVar[Mapping[int, str]] = {
        MEMRMP: "MEMRMP", PMC: "PMC", CMPCR: "CMPCR",
        **{offset: f"EXTICR{number}" for number, offset in enumerate(EXTICR, start=1)},
    }  # fmt: skip
    without_effect: ClassVar[Mapping[int, int]] = {MEMRMP: 0x0000_0C01}

    def __init__(self, route_changed: Callable[[int], None] = lambda _line: None) -> None:
        """`route_changed` is called with each line that another port may drive now."""
        super().__init__()
        self._route_changed = route_changed

    def port_of(self, line: int) -> int:
        """The port, counted from A, whose pin drives an external interrupt's line."""
        return self._values[EXTICR[line // 4]] >> 4 * (line % 4) & 0xF

    def reset(self) -> None:
        """Port A everywhere."""
        super().reset()
        for line in range(16):
            self._route_changed(line)

    def read_word(self, offset: int) -> int:
        """The compensation cell is ready as soon as it is on."""
        value = self._values[offset]
        return value | (_READY if offset == CMPCR and value & _CMP_PD else 0)

    def write_word(self, offset: int, value: int) -> None:
        """Routes take effect at once."""
        self._values[offset] = value & _CMP_PD if offset == CMPCR else value
        if offset in EXTICR:
            first = 4 * EXTICR.index(offset)
            for line in range(first, first + 4):
                self._route_changed(line)
