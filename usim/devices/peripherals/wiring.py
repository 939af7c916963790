"""Where the outputs of peripherals lead, as the platform file connects them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from usim.devices.interrupt_lines import InterruptLine, UnconnectedLine
from usim.repl import Peripheral, PlatformFile

_CONTROLLER: Final = "IRQControllers.NVIC"
_COMBINED: Final = "Miscellaneous.CombinedInput"


class WiredOr:
    """One line that several outputs drive: high while any of them is."""

    def __init__(self, line: InterruptLine) -> None:
        self._line = line
        self._high: set[int] = set()
        self._inputs = 0

    def add_input(self) -> InterruptLine:
        """One more output that drives it."""
        self._inputs += 1
        return _Input(self, self._inputs)

    def drive(self, number: int, *, level: bool) -> None:
        """An output goes high or low."""
        if level:
            self._high.add(number)
        else:
            self._high.discard(number)
        self._line.set(bool(self._high))

    def pulse(self) -> None:
        """An output is high for a moment; nobody sees it while another is high anyway."""
        if not self._high:
            self._line.pulse()


class Fork:
    """One output that drives several lines."""

    def __init__(self, *lines: InterruptLine) -> None:
        self._lines = lines

    def set(self, level: bool) -> None:
        """Drive all of them."""
        for line in self._lines:
            line.set(level)

    def pulse(self) -> None:
        """All of them are high for a moment."""
        for line in self._lines:
            line.pulse()


class _Input:
    def __init__(self, gate: WiredOr, number: int) -> None:
        self._gate, self._number = gate, number

    def set(self, level: bool) -> None:
        self._gate.drive(self._number, level=level)

    def pulse(self) -> None:
        self._gate.pulse()


class Wiring:
    """Finds the NVIC input that an output drives; outputs may share one."""

    def __init__(self, machine: PlatformFile, interrupt: Callable[[int], InterruptLine]) -> None:
        self._entries = {entry.name: entry for entry in machine.peripherals}
        self._interrupt = interrupt
        self._gates: dict[int, WiredOr] = {}

    def line(self, entry: Peripheral, *outputs: str | int) -> InterruptLine:
        """Where the first of these outputs that the file connects leads, through OR gates too."""
        number = next(
            (found for name in outputs if (found := self._input_of(entry, name)) is not None), None
        )
        return UnconnectedLine() if number is None else self.input(number)

    def input(self, number: int) -> InterruptLine:
        """One more line to an input of the NVIC."""
        if number not in self._gates:
            self._gates[number] = WiredOr(self._interrupt(number))
        return self._gates[number].add_input()

    def _input_of(self, entry: Peripheral, output: str | int) -> int | None:
        for wire in entry.connections:
            receiver = self._entries.get(wire.receiver)
            if wire.output != output or receiver is None:
                continue
            if receiver.type == _CONTROLLER:
                return wire.input
            if receiver.type == _COMBINED:
                return self._input_of(receiver, "")
        return None
