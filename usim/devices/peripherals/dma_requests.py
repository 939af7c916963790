"""Which peripheral asks which stream of the DMA for a transfer (RM0385 8.3.3, tables of requests).

Of USARTs, SPIs and ADCs; RM0410's tables have the same for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final


class RequestLine:
    """A peripheral's request: high as long as it has or wants an item."""

    def __init__(self) -> None:
        self.level = False
        self._listeners: list[Callable[[], None]] = []

    def on_rise(self, listener: Callable[[], None]) -> None:
        """Have `listener` called each time that it goes high."""
        self._listeners.append(listener)

    def set(self, level: bool) -> None:
        """Drive it high or low."""
        is_rise = level and not self.level
        self.level = level
        if is_rise:
            for listener in self._listeners:
                listener()


# By the DMA's number: (stream, channel) to the peripheral's name and direction.
REQUESTS: Final[Mapping[int, Mapping[tuple[int, int], tuple[str, str]]]] = MappingProxyType(
    {
        1: {
            (0, 4): ("uart5", "rx"), (1, 4): ("usart3", "rx"), (2, 4): ("uart4", "rx"),
            (3, 4): ("usart3", "tx"), (4, 4): ("uart4", "tx"), (5, 4): ("usart2", "rx"),
            (6, 4): ("usart2", "tx"), (7, 4): ("uart5", "tx"), (0, 5): ("uart8", "tx"),
            (1, 5): ("uart7", "tx"), (3, 5): ("uart7", "rx"), (6, 5): ("uart8", "rx"),
            (4, 7): ("usart3", "tx"), (3, 0): ("spi2", "rx"), (4, 0): ("spi2", "tx"),
            (0, 0): ("spi3", "rx"), (2, 0): ("spi3", "rx"), (5, 0): ("spi3", "tx"),
            (7, 0): ("spi3", "tx"),
        },
        2: {
            (2, 4): ("usart1", "rx"), (5, 4): ("usart1", "rx"), (7, 4): ("usart1", "tx"),
            (1, 5): ("usart6", "rx"), (2, 5): ("usart6", "rx"), (6, 5): ("usart6", "tx"),
            (7, 5): ("usart6", "tx"), (0, 0): ("adc1", "rx"), (4, 0): ("adc1", "rx"),
            (2, 1): ("adc2", "rx"), (3, 1): ("adc2", "rx"), (0, 2): ("adc3", "rx"),
            (1, 2): ("adc3", "rx"), (0, 3): ("spi1", "rx"), (2, 3): ("spi1", "rx"),
            (3, 3): ("spi1", "tx"), (5, 3): ("spi1", "tx"), (0, 4): ("spi4", "rx"),
            (3, 5): ("spi4", "rx"), (1, 4): ("spi4", "tx"), (4, 5): ("spi4", "tx"),
            (3, 2): ("spi5", "rx"), (5, 7): ("spi5", "rx"), (4, 2): ("spi5", "tx"),
            (6, 7): ("spi5", "tx"), (6, 1): ("spi6", "rx"), (5, 1): ("spi6", "tx"),
        },
    }
)  # fmt: skip
