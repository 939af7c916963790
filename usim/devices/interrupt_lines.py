"""Wires from what asks for attention to what listens: a peripheral's output to the NVIC or EXTI."""

from __future__ import annotations

from typing import Protocol


class InterruptLine(Protocol):
    """One input of an interrupt controller."""

    def set(self, level: bool) -> None:
        """Drive the line high or low; nothing changes if it is so already."""

    def pulse(self) -> None:
        """High for a moment: what listens sees a rising edge."""


class UnconnectedLine:
    """A line that leads nowhere."""

    def set(self, level: bool) -> None:
        """Nobody listens."""

    def pulse(self) -> None:
        """Nobody listens."""
