"""The nested vectored interrupt controller: which exceptions wait, run and come first.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5.3 and B1.5.4 (priorities), B3.4
(NVIC). Nothing is stacked or fetched here; `exceptions.py` does that when this says so. Exceptions
go by their numbers: 2 NMI, 3 HardFault ... 15 SysTick, 16 the first interrupt line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

NMI: Final = 2
HARD_FAULT: Final = 3
MEM_MANAGE: Final = 4
BUS_FAULT: Final = 5
USAGE_FAULT: Final = 6
SVCALL: Final = 11
DEBUG_MONITOR: Final = 12
PENDSV: Final = 14
SYSTICK: Final = 15
FIRST_LINE: Final = 16

# Priority of a core on which nothing has any: above all numbers (B1.5.4).
THREAD_PRIORITY: Final = 256
_FIXED: Final = {NMI: -2, HARD_FAULT: -1}
# Those that wait without having to be enabled; faults are taken at once or not at all.
_ALWAYS_ENABLED: Final = sum(
    1 << number for number in (NMI, HARD_FAULT, SVCALL, DEBUG_MONITOR, PENDSV, SYSTICK)
)


class Nvic:
    """Pending, active and enabled state of all exceptions, and their priorities.

    `on_change` is called whenever another exception may be the next one to be taken. The masks
    (PRIMASK, BASEPRI, FAULTMASK) are the core's: who asks passes them.
    """

    def __init__(self, lines: int, priority_bits: int = 4) -> None:
        self.lines = lines
        self._implemented = 0xFF & ~(0xFF >> priority_bits)
        self.on_change: Callable[[], None] = lambda: None
        self.reset()

    def reset(self) -> None:
        """Nothing enabled, pending or active; all priorities 0. Lines keep their levels."""
        self.active = 0
        self.enabled = _ALWAYS_ENABLED
        self._latched = 0
        self._levels = getattr(self, "_levels", 0)
        self._priorities = [0] * (FIRST_LINE + self.lines)
        self.priority_group = 0
        self.on_change()

    # Priorities.

    @property
    def group_mask(self) -> int:
        """The bits of a priority that decide about preemption (AIRCR.PRIGROUP)."""
        return 0xFF & ~((2 << self.priority_group) - 1)

    def set_priority_group(self, value: int) -> None:
        """AIRCR.PRIGROUP."""
        self.priority_group = value & 7
        self.on_change()

    def priority(self, number: int) -> int:
        """An exception's own priority; negative ones are fixed."""
        return _FIXED.get(number, self._priorities[number])

    def set_priority(self, number: int, value: int) -> None:
        """IPR and SHPR; bits that the chip lacks stay 0."""
        if number not in _FIXED:
            self._priorities[number] = value & self._implemented
            self.on_change()

    def group_priority(self, number: int) -> int:
        """What of an exception's priority decides about preemption."""
        priority = self.priority(number)
        return priority & self.group_mask if priority >= 0 else priority

    def active_priority(self) -> int:
        """The highest group priority of what is active; THREAD_PRIORITY if nothing is."""
        if not self.active:
            return THREAD_PRIORITY
        return min(map(self.group_priority, bits_of(self.active)))

    def execution_priority(self, primask: int, basepri: int, faultmask: int) -> int:
        """What an exception's group priority must be below to be taken (B1.5.4)."""
        boosted = basepri & self.group_mask & self._implemented or THREAD_PRIORITY
        if primask & 1:
            boosted = 0
        if faultmask & 1:
            boosted = -1
        return min(boosted, self.active_priority())

    # Pending.

    @property
    def pending(self) -> int:
        """Bits by exception: made pending, or the line is high and its handler does not run."""
        return self._latched | self._levels & ~self.active

    def pend(self, number: int) -> None:
        """Make an exception pending."""
        self._latched |= 1 << number
        self.on_change()

    def unpend(self, number: int) -> None:
        """Clear an exception's pending state; a line that is high has it set again."""
        self._latched &= ~(1 << number)
        self.on_change()

    def set_line(self, line: int, level: bool) -> None:
        """Drive an interrupt line. A rise is remembered until the handler is entered (B3.4.1)."""
        if line >= self.lines:
            return
        bit = 1 << FIRST_LINE + line
        if bool(self._levels & bit) == level:
            return
        if level:
            self._levels |= bit
            self._latched |= bit
        else:
            self._levels &= ~bit
        self.on_change()

    def next_exception(self) -> int | None:
        """Of what is pending and enabled, what would be taken first."""
        waiting = self.pending & self.enabled
        if not waiting & waiting - 1:  # none or one
            return waiting.bit_length() - 1 if waiting else None
        return min(bits_of(waiting), key=lambda number: (self.priority(number), number))

    def next_above(self, level: int) -> int | None:
        """The next exception, if its group priority is higher than `level`."""
        number = self.next_exception()
        return number if number is not None and self.group_priority(number) < level else None

    # Taking and leaving.

    def activate(self, number: int) -> None:
        """The handler is entered."""
        self._latched &= ~(1 << number)
        self.active |= 1 << number
        self.on_change()

    def deactivate(self, number: int) -> None:
        """The handler has returned."""
        self.active &= ~(1 << number)
        self.on_change()

    def set_enabled(self, bits: int, *, enabled: bool) -> None:
        """Enable or disable exceptions, by bits."""
        self.enabled = self.enabled | bits if enabled else self.enabled & ~bits
        self.on_change()

    def set_active(self, number: int, *, active: bool) -> None:
        """SHCSR: software sets active state itself."""
        bit = 1 << number
        self.active = self.active | bit if active else self.active & ~bit
        self.on_change()


class NvicLine:
    """One interrupt input, as a peripheral drives it."""

    def __init__(self, nvic: Nvic, line: int) -> None:
        self._nvic, self._line = nvic, line

    def set(self, level: bool) -> None:
        """Drive it high or low."""
        self._nvic.set_line(self._line, level)

    def pulse(self) -> None:
        """High for a moment."""
        self._nvic.set_line(self._line, True)
        self._nvic.set_line(self._line, False)


def bits_of(bits: int) -> Iterator[int]:
    """The numbers of the bits that are set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
