"""Finds the peripheral behind an address, and keeps out who has no clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from usim.devices.course import Course
from usim.devices.events import EventQueue
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

    @property
    def is_clocked(self) -> bool:
        """Whether RCC lets the peripheral have its clock."""
        return self.clock_gate is None or self.clock_gate()

    def pages(self) -> range:
        """The numbers of the pages that it has a part of."""
        end = self.base + self.size_bytes
        return range(self.base // PAGE_BYTES, -(-end // PAGE_BYTES))


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """An access to a register, as `PeripheralBus.trace` is told of it."""

    cycle: int
    window: str
    register: str
    offset: int
    is_write: bool
    size_bytes: int
    value: int


class PeripheralBus:
    """Every peripheral of a chip. What else lies in a page with one reads as zero.

    What is due by the cycle of an access happens before it, so that registers are always read as
    of now.
    """

    def __init__(self, windows: tuple[Window, ...], events: EventQueue) -> None:
        self.windows = windows
        self._events = events
        # Called after each access to a peripheral that has its clock.
        self.trace: Callable[[TraceRecord], None] | None = None
        self._by_page: dict[int, list[Window]] = {}
        for window in windows:
            for page in window.pages():
                self._by_page.setdefault(page, []).append(window)
        self._logged: set[int] = set()

    def reset(self, *, power_on: bool = False) -> None:
        """Every peripheral as after a system reset, or after one of the supply."""
        for window in self.windows:
            if power_on:
                window.peripheral.power_on()
            else:
                window.peripheral.reset()

    def find(self, address: int) -> Window | None:
        """Who answers at `address`, if anyone does."""
        for window in self._by_page.get(address // PAGE_BYTES, ()):
            if window.base <= address < window.base + window.size_bytes:
                return window
        return None

    def changes_with_time(self, address: int) -> bool:
        """Whether the register at `address` changes between events too."""
        window = self.find(address)
        return window is not None and window.peripheral.changes_with_time(address - window.base)

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
        self._events.catch_up()
        window = self._reachable(address)
        if window is None:
            return 0
        value = window.peripheral.read(address - window.base, size_bytes)
        if self.trace is not None:
            self.trace(self._record(window, address, size_bytes, value, is_write=False))
        return value

    def write(self, address: int, size_bytes: int, value: int) -> None:
        """A store of 1, 2 or 4 bytes in one of the pages."""
        self._events.catch_up()
        window = self._reachable(address)
        if window is not None:
            window.peripheral.write(address - window.base, size_bytes, value)
            if self.trace is not None:
                self.trace(self._record(window, address, size_bytes, value, is_write=True))

    def courses(self) -> Iterator[tuple[int, Callable[[], Course | None]]]:
        """By address, registers that count by themselves, and how each goes on.

        While accesses are traced it is not told, as each has to come here.
        """
        for window in self.windows:
            for offset, find in window.peripheral.courses().items():
                yield window.base + offset, partial(self._course, window, find)

    def _course(self, window: Window, find: Callable[[], Course | None]) -> Course | None:
        return find() if window.is_clocked and self.trace is None else None

    def _record(
        self, window: Window, address: int, size_bytes: int, value: int, *, is_write: bool
    ) -> TraceRecord:
        offset = address - window.base
        return TraceRecord(
            self._events.now,
            window.name,
            window.peripheral.register_name(offset),
            offset,
            is_write,
            size_bytes,
            value,
        )

    def _reachable(self, address: int) -> Window | None:
        window = self.find(address)
        if window is not None and window.is_clocked:
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
