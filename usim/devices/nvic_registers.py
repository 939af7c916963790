"""Interrupt lines' registers in the system control space: ISER to IPR, STIR, ICTR (B3.4.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from usim.devices.nvic import FIRST_LINE, Nvic, bits_of

ICTR: Final = 0xE000_E004
STIR: Final = 0xE000_EF00
ISER: Final = 0xE000_E100
ICER: Final = 0xE000_E180
ISPR: Final = 0xE000_E200
ICPR: Final = 0xE000_E280
IABR: Final = 0xE000_E300
IPR: Final = 0xE000_E400
_WORDS: Final = 16
_IPR_WORDS: Final = 124
_LINE_MASK: Final = 0x1FF


class NvicRegisters:
    """What software reads and writes of an Nvic's interrupt lines."""

    # A narrow store says nothing about the bits that it leaves out.
    not_merged = frozenset(
        base + 4 * i for base in (ISER, ICER, ISPR, ICPR, IABR) for i in range(_WORDS)
    ) | {STIR}
    addresses = not_merged | {ICTR} | {IPR + 4 * i for i in range(_IPR_WORDS)}

    def __init__(self, nvic: Nvic) -> None:
        self._nvic = nvic
        self._writers: dict[int, Callable[[int], None]] = {
            ISER: lambda lines: nvic.set_enabled(lines, enabled=True),
            ICER: lambda lines: nvic.set_enabled(lines, enabled=False),
            ISPR: lambda lines: self._each(nvic.pend, lines),
            ICPR: lambda lines: self._each(nvic.unpend, lines),
        }

    def read(self, address: int) -> int:
        """A word."""
        nvic = self._nvic
        if address == ICTR:
            return (nvic.lines - 1) // 32
        if address >= IPR:
            return self._priorities(address) if address < STIR else 0
        bank = address & ~0x7F
        state = {ISER: nvic.enabled, ICER: nvic.enabled, IABR: nvic.active}.get(bank, nvic.pending)
        return state >> FIRST_LINE >> 8 * (address - bank) & 0xFFFF_FFFF

    def write(self, address: int, value: int) -> None:
        """A word; of lines that the chip lacks nothing is kept."""
        if address == STIR:
            self.trigger(value)
        elif address >= IPR:
            for place, line in enumerate(self._lines_at(address)):
                self._nvic.set_priority(FIRST_LINE + line, value >> 8 * place & 0xFF)
        elif (write := self._writers.get(address & ~0x7F)) is not None:
            lines = value << 8 * (address & 0x7F) & (1 << self._nvic.lines) - 1
            write(lines << FIRST_LINE)

    def trigger(self, value: int) -> None:
        """STIR: pend a line by its number."""
        if (line := value & _LINE_MASK) < self._nvic.lines:
            self._nvic.pend(FIRST_LINE + line)

    def _priorities(self, address: int) -> int:
        return sum(
            self._nvic.priority(FIRST_LINE + line) << 8 * place
            for place, line in enumerate(self._lines_at(address))
        )

    def _lines_at(self, address: int) -> range:
        first = address - IPR
        return range(first, min(first + 4, self._nvic.lines))

    @staticmethod
    def _each(change: Callable[[int], None], exceptions: int) -> None:
        for number in bits_of(exceptions):
            change(number)
