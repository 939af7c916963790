"""Lets a firmware run until something is so, a time has come, or nothing more will come of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from usim.board.chip import Chip
from usim.board.ending import Ending, EndReason
from usim.board.endless import loops_for_ever
from usim.board.fault_report import FAULTS, FaultWatch
from usim.devices.nvic import PENDSV
from usim.devices.peripherals import ResetCause
from usim.devices.stops import Stop, StopKind
from usim.errors import AccessError, LockupError
from usim.profile.program import Program
from usim.profile.semihosting import BKPT_SEMIHOSTING, Semihosting

_LOG = logging.getLogger(__name__)
_NOWHERE: Final = 0xFFFF_FFF0
# How often endless loops are looked for. What a handler that does not return has begun to send may
# leave before that is its end.
_LAST_WORDS_S: Final = 0.01
# Ends from which something outside of the chip, or more time, may bring a firmware back.
_PROVISIONAL: Final = frozenset({"asleep", "endless loop"})


class Pause(Enum):
    """Why a firmware that can go on does not run now."""

    DONE = auto()  # what was waited for is so
    REACHED = auto()  # the address is next
    TIME = auto()


class Runner:
    """Runs the firmware of one chip, which boots from `vector_table` whenever it resets itself.

    `poll` is called between slices. `wait_for_input` is called when the chip sleeps and only a byte
    from outside could wake it: it returns whether one came.
    """

    def __init__(
        self, chip: Chip, program: Program, vector_table: int, write: Callable[[bytes], None]
    ) -> None:
        self._chip = chip
        self._program = program
        self._vector_table = vector_table
        self._semihosting = Semihosting(chip.device, write, chip.seconds)
        self.faults = FaultWatch(chip.device, program, chip.who_is_at)
        self.poll: Callable[[], None] = lambda: None
        self.wait_for_input: Callable[[], bool] = lambda: False
        # How long a slice may be, in seconds of the chip's time, where the outside matters.
        self.slice_s: float | None = None
        # Set it (from a signal handler, say) to have a run end soon.
        self.interrupted = False
        self.ending: Ending | None = None
        # How often the firmware, or a watchdog, has reset the chip, by cause.
        self.resets: Counter[ResetCause] = Counter()
        self._stuck_until: int | None = None
        self._is_patient = False

    def start(self, cause: ResetCause) -> None:
        """The device was opened, or someone presses the reset button."""
        self.faults.start()
        self._boot(cause)

    def run(
        self,
        until_s: float,
        done: Callable[[], bool],
        stop_address: int = _NOWHERE,
        *,
        patient: bool = False,
    ) -> Pause | Ending:
        """Run until a time of the chip's at most; an Ending is final, until the chip is reset.

        Asleep or in an endless loop is one too, unless `patient`: then the time is waited for.
        """
        self._is_patient = patient
        if self.ending is not None and self.ending.reason in _PROVISIONAL:
            self.ending = None
        while self.ending is None:
            if done():
                return Pause.DONE
            # Anew each time: the firmware may have set up another clock.
            until_cycle = self._chip.cycle_at(until_s)
            if self._chip.has_come(until_cycle):
                return Pause.TIME
            if self.interrupted:
                return self._ends("interrupted", "interrupted")
            stop = self._run_slice(self._slice_end(until_cycle), stop_address)
            if stop is not None and stop.kind is StopKind.REACHED:
                return Pause.REACHED
            self.poll()
        return self.ending

    def step(self) -> None:
        """Execute an instruction or a few, up to the end of a block."""
        self._handle(self._chip.step())

    def _boot(self, cause: ResetCause) -> None:
        self.faults.forget()
        self.ending = self._stuck_until = None
        self._chip.boot(self._vector_table, cause)

    def _run_slice(self, until_cycle: int, stop_address: int) -> Stop | None:
        try:
            stop = self._chip.run(until_cycle, stop_address)
            self._handle(stop)
        except LockupError as lockup:
            self._ends("lockup", str(lockup))
            return None
        return stop

    def _slice_end(self, until_cycle: int) -> int:
        slice_s = _LAST_WORDS_S if self.slice_s is None else min(self.slice_s, _LAST_WORDS_S)
        ends = [until_cycle, self._chip.cycle_at(self._chip.seconds() + slice_s)]
        if self._stuck_until is not None:
            ends.append(self._stuck_until)
        return max(min(ends), self._chip.now + 1)

    def _handle(self, stop: Stop) -> None:
        match stop.kind:
            case StopKind.REACHED:
                pass
            case StopKind.SLEEP:
                self._sleep()
            case StopKind.SLICE | StopKind.HALTED if self._chip.sleeps_for_good:
                self._sleep()
            case StopKind.SLICE | StopKind.HALTED:
                self._look_for_the_end(stop.pc)
            case StopKind.RESET:
                self._reset(stop)
            case StopKind.BKPT if self._chip.device.read(stop.pc, 2) == BKPT_SEMIHOSTING:
                self._serve(stop.pc)
            case _:
                self._take(stop)

    def _take(self, stop: Stop) -> None:
        if stop.kind is StopKind.EXCEPTION_RETURN:
            # No handler's: for a thread nothing can be executed at such an address (B1.5.8).
            stop = Stop(StopKind.FETCH, stop.pc, stop.address)
        self._chip.device.take_exception(stop)

    def _serve(self, pc: int) -> None:
        exited = self._semihosting.serve(pc)
        if exited is not None:
            self._chip.drain()
            text = f"exit with code {exited.code} (semihosting) at {self._program.describe(pc)}"
            self._ends("exit", text, exited.code)

    def _reset(self, stop: Stop) -> None:
        fault = self.faults.first
        after = f", after {fault.summary}" if fault is not None else ""
        cause = self._chip.device.reset_cause
        self.resets[cause] += 1
        where = self._program.describe(stop.pc)
        _LOG.warning("reset (%s) at %s%s", cause, where, after)
        self._boot(cause)

    # The end.

    def _look_for_the_end(self, pc: int) -> None:
        in_handler = self._chip.device.read_register("ipsr")
        goes_on = not in_handler and (self._is_patient or self._chip.can_be_interrupted)
        goes_on |= self._chip.device.chip.watchdog_runs
        if goes_on or not loops_for_ever(self._code, pc):
            self._stuck_until = None
            return
        if self._stuck_until is None:
            self._stuck_until = self._chip.cycle_at(self._chip.seconds() + _LAST_WORDS_S)
        if self._chip.has_come(self._stuck_until):
            self._stays(pc, "an endless loop")

    def _stays(self, pc: int, how: str) -> None:
        """The core stays where it is: at thread level that is an end, in a handler a failure."""
        active = self._chip.device.read_register("ipsr")
        where = self._program.describe(pc)
        first = self.faults.first
        if active in FAULTS and first is not None:
            self._ends("fault", f"{first.summary}; its handler stays in {how} at {where}")
        elif active:
            self._ends("stuck", f"the handler of {_name(active)} stays in {how} at {where}")
        else:
            self._ends("endless loop", f"{how} (a branch to itself) at {where}")

    def _sleep(self) -> None:
        if not self._is_patient and not self.wait_for_input():
            self._falls_asleep()

    def _falls_asleep(self) -> None:
        pc = self._chip.device.read_register("pc") & ~1
        # Some kernels (RIOT) idle in PendSV, where they choose the next thread.
        if self._chip.device.read_register("ipsr") not in (0, PENDSV):
            self._stays(pc, "sleep (wfi or wfe)")
        else:
            where = self._program.describe(pc)
            self._ends("asleep", f"asleep (wfi or wfe) with nothing to wake it, at {where}")

    def _ends(self, reason: EndReason, text: str, code: int | None = None) -> Ending:
        address = self._chip.device.read_register("pc") & ~1
        fault = self.faults.first if reason in ("fault", "lockup", "stuck") else None
        self.ending = Ending(reason, address, text, code, fault)
        return self.ending

    def _code(self, address: int, size_bytes: int) -> bytes:
        try:
            return self._chip.device.read(address, size_bytes)
        except AccessError:
            return b""


def _name(exception: int) -> str:
    """An exception's number in words: lines of the NVIC are what a vendor's headers number."""
    return f"interrupt {exception - 16}" if exception >= 16 else f"exception {exception}"
