"""What a firmware does with its peripherals, a line an access, and the exceptions in between."""

from __future__ import annotations

from collections.abc import Callable, Collection

from usim.board.chip import Chip
from usim.devices.peripherals.bus import TraceRecord
from usim.devices.stops import Stop
from usim.errors import ArgumentError
from usim.profile.program import Program


class AccessTrace:
    """Writes a line for each access to the peripherals `only` (all, if empty) from now on.

    `cycle  USART1.CR1  write 0x0000000d  at 0x0800_0124 in main+0x4 (main.c:7)`. A load that finds
    the same again, as polling loops do, is written once; behind it stands until when it did.
    """

    def __init__(
        self, chip: Chip, program: Program, write: Callable[[str], None], only: Collection[str] = ()
    ) -> None:
        self._chip = chip
        self._program = program
        self._write = write
        self._only = _known(chip, only)
        self._last: TraceRecord | None = None
        self._repeated_at: int | None = None
        chip.device.chip.bus.trace = self._access
        chip.device.watch_exceptions(self._enter, lambda number: self._exception(number, "left"))

    def finish(self) -> None:
        """Write what is still to be said of the last access."""
        if self._repeated_at is not None:
            self._write(f"{self._repeated_at:>14,}  (the same until here)")
        self._last = self._repeated_at = None

    def _access(self, record: TraceRecord) -> None:
        if self._only and record.window not in self._only:
            return
        if self._is_repeated(record):
            self._repeated_at = record.cycle
            return
        self.finish()
        self._last = record
        what = "write" if record.is_write else "read "
        value = f"{record.value:#0{2 + 2 * record.size_bytes}x}"
        self._write(
            f"{record.cycle:>14,}  {record.register:<20} {what} {value:<10}  at "
            f"{self._program.describe(self._chip.device.accessing_pc)}"
        )

    def _is_repeated(self, record: TraceRecord) -> bool:
        """Wherever it stands: compilers unroll polling loops."""
        last = self._last
        if last is None or last.is_write or record.is_write:
            return False
        return (last.register, last.value) == (record.register, record.value)

    def _enter(self, number: int, stop: Stop) -> None:
        self._exception(number, f"entered from {self._program.describe(stop.pc)}")

    def _exception(self, number: int, what: str) -> None:
        self.finish()
        name = self._chip.device.exception_name(number)
        self._write(f"{self._chip.now:>14,}  {name} {what}")


def _known(chip: Chip, only: Collection[str]) -> frozenset[str]:
    names = {window.name for window in chip.device.chip.bus.windows}
    by_lower = {name.lower(): name for name in names}
    unknown = [name for name in only if name.lower() not in by_lower]
    if unknown:
        raise ArgumentError(
            f"no peripheral {unknown[0]!r} on {chip.platform.name}; there are "
            f"{', '.join(sorted(names, key=str.lower))}"
        )
    return frozenset(by_lower[name.lower()] for name in only)
