"""External interrupts of the STM32F7 (RM0385 and RM0410, chapter 11): lines 0 to 23."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from usim.devices.interrupt_lines import InterruptLine
from usim.devices.peripherals.base import RegisterBlock

IMR: Final = 0x00
EMR: Final = 0x04
RTSR: Final = 0x08
FTSR: Final = 0x0C
SWIER: Final = 0x10
PR: Final = 0x14
LINES: Final = 24
_LINES_MASK: Final = (1 << LINES) - 1


class ExternalInterrupts(RegisterBlock):
    """EXTI. `on_event` is called with each line whose event is not masked: it wakes WFE."""

    name = "EXTI"
    reset_values: ClassVar[Mapping[int, int]] = dict.fromkeys((IMR, EMR, RTSR, FTSR, SWIER, PR), 0)
    register_names: ClassVar[Mapping[int, str]] = {
        IMR: "IMR", EMR: "EMR", RTSR: "RTSR", FTSR: "FTSR", SWIER: "SWIER", PR: "PR",
    }  # fmt: skip
    cleared_by_ones: ClassVar[frozenset[int]] = frozenset({PR})

    def __init__(self, lines: Sequence[InterruptLine]) -> None:
        """`lines` lead to the NVIC, one for each of EXTI's."""
        super().__init__()
        self._lines = lines
        self._levels = 0
        self.on_event: Callable[[int], None] = lambda _line: None

    def set_line(self, line: int, level: bool) -> None:
        """What drives the line goes high or low; the edges that are selected make it pending."""
        bit = 1 << line
        if bool(self._levels & bit) == level:
            return
        self._levels ^= bit
        if self._values[RTSR if level else FTSR] & bit:
            self._trigger(bit)

    def follow(self, line: int, level: bool) -> None:
        """Something else drives the line from now on, which makes no edge."""
        self._levels = self._levels & ~(1 << line) | level << line

    def reset(self) -> None:
        """All masked."""
        super().reset()
        self._update()

    def write_word(self, offset: int, value: int) -> None:
        """SWIER triggers lines whose interrupt is not masked; ones clear PR, and SWIER with it."""
        value &= _LINES_MASK
        if offset == PR:
            self._values[PR] &= ~value
            self._values[SWIER] &= ~value
        elif offset == SWIER:
            fresh = value & ~self._values[SWIER]
            self._values[SWIER] |= value
            self._trigger(fresh & (self._values[IMR] | self._values[EMR]))
        else:
            self._values[offset] = value
        self._update()

    def _trigger(self, bits: int) -> None:
        self._values[PR] |= bits
        self._update()
        for line in range(LINES):
            if bits & self._values[EMR] & 1 << line:
                self.on_event(line)

    def _update(self) -> None:
        asked = self._values[PR] & self._values[IMR]
        for number, line in enumerate(self._lines):
            line.set(bool(asked >> number & 1))
