"""A JTAG chain: the TAP state machine of IEEE 1149.1 and the taps that it moves.

All taps of a chain are in the same state, so that one machine serves them all. Long scans are done
in one piece (`shift`), as integers whose bit 0 goes first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from typing import Final


class TapState(IntEnum):
    """The sixteen states."""

    TEST_LOGIC_RESET = 0
    RUN_TEST_IDLE = 1
    SELECT_DR = 2
    CAPTURE_DR = 3
    SHIFT_DR = 4
    EXIT1_DR = 5
    PAUSE_DR = 6
    EXIT2_DR = 7
    UPDATE_DR = 8
    SELECT_IR = 9
    CAPTURE_IR = 10
    SHIFT_IR = 11
    EXIT1_IR = 12
    PAUSE_IR = 13
    EXIT2_IR = 14
    UPDATE_IR = 15


# Where a rising edge of TCK leads with TMS low, and high.
NEXT: Final = tuple(
    (TapState(low), TapState(high))
    for low, high in (
        (1, 0), (1, 2), (3, 9), (4, 5), (4, 5), (6, 8), (6, 7), (4, 8),
        (1, 2), (10, 0), (11, 12), (11, 12), (13, 15), (13, 14), (11, 15), (1, 2),
    )
)  # fmt: skip
# States that do something besides being there.
ACTIVE: Final = frozenset(
    {
        TapState.TEST_LOGIC_RESET,
        TapState.CAPTURE_DR,
        TapState.SHIFT_DR,
        TapState.UPDATE_DR,
        TapState.CAPTURE_IR,
        TapState.SHIFT_IR,
        TapState.UPDATE_IR,
    }
)
_SHIFTING: Final = frozenset({TapState.SHIFT_DR, TapState.SHIFT_IR})


class Tap(ABC):
    """One test access port. Scans call capture, then (after shifting) update."""

    ir_bits: int

    @abstractmethod
    def reset(self) -> None:
        """Test-Logic-Reset: IDCODE is the selected instruction."""

    @abstractmethod
    def update_ir(self, instruction: int) -> None:
        """An instruction of `ir_bits` bits was shifted in."""

    @abstractmethod
    def capture_dr(self) -> tuple[int, int]:
        """The value and the number of bits of the selected data register."""

    @abstractmethod
    def update_dr(self, value: int) -> None:
        """A value was shifted into the selected data register."""


class IdTap(Tap):
    """A tap with IDCODE and BYPASS and nothing else, such as a boundary scan that is not used."""

    def __init__(self, ir_bits: int, idcode: int, idcode_instruction: int) -> None:
        self.ir_bits = ir_bits
        self.idcode = idcode
        self._idcode_instruction = idcode_instruction
        self.reset()

    def reset(self) -> None:
        """IDCODE is selected."""
        self._instruction = self._idcode_instruction

    def update_ir(self, instruction: int) -> None:
        """What is not IDCODE bypasses."""
        self._instruction = instruction

    def capture_dr(self) -> tuple[int, int]:
        """IDCODE, or a single 0."""
        return (self.idcode, 32) if self._instruction == self._idcode_instruction else (0, 1)

    def update_dr(self, value: int) -> None:
        """Both registers are read-only."""


class TapChain:
    """Taps in series. The first of `taps` is the one next to TDO, as in OpenOCD's scripts."""

    def __init__(self, taps: Sequence[Tap]) -> None:
        self._taps = tuple(taps)
        self.state = TapState.TEST_LOGIC_RESET
        # The shift register from TDO (bit 0) to TDI.
        self._register = 0
        self._lengths: list[int] = []
        self._length = 0
        self.reset()

    @property
    def shifting(self) -> bool:
        """Whether the next tick shifts."""
        return self.state in _SHIFTING

    @property
    def tdo(self) -> int:
        """What TDO shows; 1 where it is not driven."""
        return self._register & 1 if self.shifting else 1

    def reset(self) -> None:
        """TRST, or five ticks with TMS high."""
        self.state = TapState.TEST_LOGIC_RESET
        for tap in self._taps:
            tap.reset()

    def tick(self, tms: int, tdi: int) -> None:
        """One rising edge of TCK."""
        if self.shifting:
            self.shift(1, tdi)
        self.move(tms)

    def shift(self, count: int, tdi: int) -> int:
        """Shift `count` bits in while in a shift state; returns those that came out."""
        chain = self._register | tdi << self._length
        self._register = chain >> count & ((1 << self._length) - 1)
        return chain & ((1 << count) - 1)

    def move(self, tms: int) -> None:
        """Go to the next state and do what entering it means."""
        self.enter(NEXT[self.state][tms])

    def enter(self, state: TapState) -> None:
        """Be in a state, and do what entering it means."""
        self.state = state
        if state is TapState.CAPTURE_DR:
            self._load([tap.capture_dr() for tap in self._taps])
        elif state is TapState.UPDATE_DR:
            for tap, value in zip(self._taps, self._values(), strict=True):
                tap.update_dr(value)
        elif state is TapState.CAPTURE_IR:
            # The two bits next to TDO are 01 (IEEE 1149.1, 7.1.1), the others 0 here.
            self._load([(1, tap.ir_bits) for tap in self._taps])
        elif state is TapState.UPDATE_IR:
            for tap, value in zip(self._taps, self._values(), strict=True):
                tap.update_ir(value)
        elif state is TapState.TEST_LOGIC_RESET:
            self.reset()

    def _load(self, captured: list[tuple[int, int]]) -> None:
        self._register, self._length = 0, 0
        self._lengths = [bits for _, bits in captured]
        for value, bits in captured:
            self._register |= value << self._length
            self._length += bits

    def _values(self) -> list[int]:
        values, register = [], self._register
        for bits in self._lengths:
            values.append(register & ((1 << bits) - 1))
            register >>= bits
        return values
