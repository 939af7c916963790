"""Lets a firmware run until something is so, a time has come, or nothing more will come of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from usim.board.chip import Chip
from usim.board.ending import Ending, EndReason
from usim.board.endless import loops_for_ever
from usim.board.fault_report import FAULTS, FaultWatch
from usim.devices.peripherals import ResetCause
from usim.devices.stops import Stop, StopKind
from usim.errors import AccessError, LockupError
from usim.profile.program import Program
from usim.profile.semihosting import BKPT_SEMIHOSTING, Semihosting

_LOG = logging.getLogger(__name__)
_NOWHERE: Final = 0xFFFF_FFF0
# What a handler that does not return has begun to send may leave before that is its end.
_LAST_WORDS_S: Final = 0.01


class Pause(Enum):
    """Why a firmware that can go on does not run now."""

    DONE = auto()  # what was waited for is so
    REACHED = auto()  # the address is next
    TIME = auto()


class Runner:
    """Runs the firmware of one chip.

    `reboot` resets the chip, as the firmware or a watchdog asks. `poll` is called between slices. `wait_for_input` is called when the chip sleeps and only a byte
    from outside could wake it: it returns whether one came.
    """

    def __init__(self, chip: Chip, program: Program, write: Callable[[bytes], None]) -> None:
        self._chip = chip
        self._program = program
        self._semihosting = Semihosting(chip.device, write, chip.seconds)
        self.faults = FaultWatch(chip.device, program, chip.who_is_at)
        self.reboot: Callable[[ResetCause], None] = lambda _cause: None
        self.poll: Callable[[], None] = lambda: None
        self.wait_for_input: Callable[[], bool] = lambda: False
        # How long a slice may be, in seconds of the chip's time, where the outside matters.
        self.slice_s: float | None = None
        # Set it (from a signal handler, say) to have a run end soon.
        self.interrupted = False
        self.ending: Ending | None = None
        self._stuck_until: int | None = None

    def run(
        self, until_s: float, done: Callable[[], bool], stop_address: int = _NOWHERE
    ) -> Pause | Ending:
        """Run until a time of the chip's at most; an Ending is final, until `restart`."""
        while self.ending is None:
            if done():
                return Pause.DONE
            # Anew each time: the firmware may have set up another clock.
            until_cycle = self._chip.cycle_at(until_s)
            if self._chip.now >= until_cycle:
                return Pause.TIME
            if self.interrupted:
                return self._ends("interrupted", "interrupted")
            stop = self._chip.run(self._slice_end(until_cycle), stop_address)
            if stop.kind is StopKind.REACHED:
                return Pause.REACHED
            self._handle(stop)
            self.poll()
        return self.ending

    def restart(self) -> None:
        """After a reset: what was before is over."""
        self.faults.forget()
        self.ending = self._stuck_until = None

    def step(self) -> None:
        """Execute one instruction or take one exception."""
        self._handle(self._chip.run(self._chip.now + 1, _NOWHERE))

    def _slice_end(self, until_cycle: int) -> int:
        ends = [until_cycle]
        if self._stuck_until is not None:
            ends.append(self._stuck_until)
        if self.slice_s is not None:
            ends.append(self._chip.cycle_at(self._chip.seconds() + self.slice_s))
        return max(min(ends), self._chip.now + 1)

    def _handle(self, stop: Stop) -> None:
        match stop.kind:
            case StopKind.SLICE:
                self._look_for_the_end(stop.pc)
            case StopKind.RESET:
                cause = self._chip.device.reset_cause
                _LOG.warning("%s: reset (%s)", self._program.describe(stop.pc), cause)
                self.reboot(cause)
                self.restart()
            case StopKind.SLEEP:
                if not self.wait_for_input():
                    self._falls_asleep(stop.pc)
            case StopKind.BKPT if self._chip.device.read(stop.pc, 2) == BKPT_SEMIHOSTING:
                self._serve(stop.pc)
            case _:
                self._take(stop)

    def _take(self, stop: Stop) -> None:
        if stop.kind is StopKind.EXCEPTION_RETURN and not self._chip.device.read_register("ipsr"):
            # Only a handler may branch there: nothing can be executed at such an address (B1.5.8).
            stop = Stop(StopKind.FETCH, stop.pc, stop.address)
        try:
            self.faults.take(stop)
        except LockupError as lockup:
            self._ends("lockup", str(lockup))

    def _serve(self, pc: int) -> None:
        exited = self._semihosting.serve(pc)
        if exited is not None:
            text = f"exit with code {exited.code} (semihosting) at {self._program.describe(pc)}"
            self._ends("exit", text, exited.code)

    # The end.

    def _look_for_the_end(self, pc: int) -> None:
        in_handler = self._chip.device.read_register("ipsr")
        if not loops_for_ever(self._code, pc) or (not in_handler and self._chip.can_be_interrupted):
            self._stuck_until = None
            return
        if self._stuck_until is None:
            chip = self._chip
            self._stuck_until = chip.cycle_at(chip.seconds() + _LAST_WORDS_S)
        if self._chip.now >= self._stuck_until:
            self._stays(pc, "an endless loop")

    def _stays(self, pc: int, how: str) -> None:
        """The core stays where it is: at thread level that is an end, in a handler a failure."""
        active = self._chip.device.read_register("ipsr")
        where = self._program.describe(pc)
        if active in FAULTS and self.faults.first is not None:
            self._ends(
                "fault", f"{self.faults.first.summary}; its handler stays in {how} at {where}"
            )
        elif active:
            self._ends("stuck", f"the handler of exception {active} stays in {how} at {where}")
        else:
            self._ends("endless loop", f"{how} (a branch to itself) at {where}")

    def _falls_asleep(self, pc: int) -> None:
        if self._chip.device.read_register("ipsr"):
            self._stays(pc, "sleep (wfi or wfe)")
        else:
            where = self._program.describe(pc)
            self._ends("asleep", f"asleep (wfi or wfe) with nothing to wake it, at {where}")

    def _ends(self, reason: EndReason, text: str, code: int | None = None) -> Ending:
        address = self._chip.device.read_register("pc") & ~1
        fault = self.faults.first if reason in ("fault", "lockup", "stuck") else None
        self.ending = Ending(reason, address, text, code, fault)
        self._chip.drain()
        return self.ending

    def _code(self, address: int, size_bytes: int) -> bytes:
        try:
            return self._chip.device.read(address, size_bytes)
        except AccessError:
            return b""
