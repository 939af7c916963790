"""Finds the peripheral behind an address, and keeps out who has no clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from usim.devices.peripherals.base import Peripheral
from usim.formatting import format_address

_LOG = logging.getLogger(__name__)

# What the emulated core maps at once; the chip's peripherals stand at multiples of it.
PAGE_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Window:
    """A peripheral at its addresses."""

    name: str
    base: int
    size_bytes: int
    peripheral: Peripheral
    # Without a clock its registers read as zero and can't be written ("Peripheral clock enable").
    clock_gate: Callable[[], bool] | None = None

    def pages(self) -> range:
        """The numbers of the pages that it has a part of."""
        end = self.base + self.size_bytes
        return range(self.base // PAGE_BYTES, -(-end // PAGE_BYTES))


class PeripheralBus:
    """Every peripheral of a chip. What else lies in a page with one reads as zero."""

    def __init__(self, windows: tuple[Window, ...]) -> None:
        self.windows = windows
        self._by_page: dict[int, list[Window]] = {}
        for window in windows:
            for page in window.pages():
                self._by_page.setdefault(page, []).append(window)
        self._logged: set[int] = set()

    def reset(self) -> None:
        """Every peripheral as after a system reset."""
        for window in self.windows:
            window.peripheral.reset()

    def find(self, address: int) -> Window | None:
        """Who answers at `address`, if anyone does."""
        for window in self._by_page.get(address // PAGE_BYTES, ()):
            if window.base <= address < window.base + window.size_bytes:
                return window
        return None

    def pages(self) -> Iterator[tuple[int, int]]:
        """(address, size) of runs of pages that hold peripherals."""
        pages = sorted(self._by_page)
        start = 0
        for place, page in enumerate(pages):
            if place + 1 == len(pages) or pages[place + 1] != page + 1:
                yield pages[start] * PAGE_BYTES, (page + 1 - pages[start]) * PAGE_BYTES
                start = place + 1

    def read(self, address: int, size_bytes: int) -> int:
        """A load of 1, 2 or 4 bytes in one of the pages."""
        window = self._reachable(address)
        return 0 if window is None else window.peripheral.read(address - window.base, size_bytes)

    def write(self, address: int, size_bytes: int, value: int) -> None:
        """A store of 1, 2 or 4 bytes in one of the pages."""
        window = self._reachable(address)
        if window is not None:
            window.peripheral.write(address - window.base, size_bytes, value)

    def _reachable(self, address: int) -> Window | None:
        window = self.find(address)
        if window is not None and (window.clock_gate is None or window.clock_gate()):
            return window
        if address not in self._logged:
            self._logged.add(address)
            if window is None:
                _LOG.info("access to %s, where no register is", format_address(address))
            else:
                _LOG.warning(
                    "access to %s of %s, whose clock is off in RCC",
                    format_address(address),
                    window.name,
                )
        return None
