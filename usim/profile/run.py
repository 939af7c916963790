"""Runs a program on the embedded device and records what it did until it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from usim.devices.embedded import EmbeddedDevice
from usim.devices.unicorn_engine import Stop, StopKind
from usim.errors import DeviceError, LockupError, ProgramError
from usim.formatting import format_address
from usim.platforms import Platform
from usim.profile import placement
from usim.profile.program import Program
from usim.profile.recording import Ending, EndReason, Recorder, Recording, Request
from usim.profile.semihosting import BKPT_SEMIHOSTING, Semihosting
from usim.timing.decode import Instruction
from usim.timing.timer import CycleTimer

MAX_ARGUMENTS: Final = 4  # those in registers
_SLICE_INSTRUCTIONS: Final = 20_000_000
_NOWHERE: Final = 0xFFFF_FFF0
_QUIET: Final = frozenset({StopKind.SVC, StopKind.EXCEPTION_RETURN})
_ENDINGS: Final[dict[StopKind, EndReason]] = {
    StopKind.REACHED: "until",
    StopKind.SLEEP: "asleep",
    StopKind.HALTED: "endless loop",
}


def record(
    program: Program,
    platform: Platform,
    request: Request,
    write: Callable[[bytes], None],
) -> Recording:
    """Run a program; its semihosted text goes to `write`. DeviceError if it faults."""
    placement.check_placement(program, platform)
    device = EmbeddedDevice(platform, request.timing)
    device.open()
    try:
        return _Run(device, program, request, write).record()
    finally:
        device.close()


class _Run:
    """One run, from an open device to a Recording."""

    def __init__(
        self,
        device: EmbeddedDevice,
        program: Program,
        request: Request,
        write: Callable[[bytes], None],
    ) -> None:
        self._device = device
        self._program = program
        self._request = request
        self._timer: CycleTimer = device.recorder()
        self._timer.on_new_block = self._look_at
        clock_hz = device.platform.clock_hz
        self._semihosting = Semihosting(device, write, lambda: self._counted / clock_hz)
        self._booted_from = 0
        self._fault: tuple[Stop, int] | None = None
        self._bytes_at_fault = ""

    @property
    def _counted(self) -> int:
        if self._request.timing == "count":
            return self._device.executed_instructions
        return self._timer.cycles

    def _look_at(self, instructions: Sequence[Instruction]) -> None:
        """A lone branch to itself ends the run, if nothing that is to come can interrupt it."""
        first = instructions[0] if instructions else None
        goes_round = (
            first is not None and first.branch == "direct" and first.target == first.address
        )
        waits = self._device.events.next_cycle is not None and not self._device.read_register(
            "ipsr"
        )
        if goes_round and not waits:
            self._device.halt()

    def record(self) -> Recording:
        program, device, request = self._program, self._device, self._request
        until = program.find_address(request.until) if request.until else None
        table, returns_to = self._start()
        recorder = Recorder(device, program)
        ending = self._run(until, returns_to)
        in_handler = device.read_register("ipsr") != 0
        if in_handler and ending.reason not in ("until", "exit", "returned"):
            self._raise_fault()
        return recorder.finish(request, table, ending, self._fault_text() if self._fault else None)

    # The start.

    def _start(self) -> tuple[int | None, int]:
        """Load, set registers; returns the vector table and where a called function returns to."""
        program, device, platform = self._program, self._device, self._device.platform
        entry = self._request.entry
        table: int | None
        if entry is None:
            table = placement.find_vector_table(program, platform)
            placement.write_program(device, program, started_up=False)
            self._booted_from = table
            device.boot(table)
            return table, _NOWHERE
        function = program.find_address(entry)
        if program.load_address_of(function) is None:
            raise ProgramError(
                f"{entry} is at {format_address(function)}, where {program.file} loads nothing",
                file=program.file,
                symbol=entry,
            )
        placement.write_program(device, program, started_up=True)
        table = self._boot_for_a_call()
        returns_to = placement.unused_address(program, platform)
        device.write_register("lr", returns_to | 1)
        device.write_register("pc", function)
        for number, value in enumerate(self._request.arguments):
            device.write_register(f"r{number}", value)
        return table, returns_to

    def _boot_for_a_call(self) -> int | None:
        """VTOR and the stack from the vector table if there is one; returns it."""
        platform = self._device.platform
        try:
            table = placement.find_vector_table(self._program, platform)
        except ProgramError:
            self._device.write_register("sp", placement.default_stack_top(platform))
            return None
        self._device.boot(table, fpu_on=True)
        return table

    # The run.

    def _run(self, until: int | None, returns_to: int) -> Ending:
        if until is not None and until == self._device.read_register("pc") & ~1:
            return Ending("until", until)
        while True:
            left = self._request.limit - self._counted
            if left <= 0:
                return Ending("limit", self._device.read_register("pc"))
            # Less than what is left, for an instruction may take many cycles; the last ones singly.
            slice_size = min(max(left // 8, 1), _SLICE_INSTRUCTIONS)
            watched = until if until is not None else returns_to
            ending = self._handle(self._device.run_slice(watched, slice_size), until, returns_to)
            if ending is not None:
                return ending

    def _handle(self, stop: Stop, until: int | None, returns_to: int) -> Ending | None:
        """What a stop means; None to go on."""
        if stop.pc == returns_to and stop.kind in (StopKind.REACHED, StopKind.UNDEFINED):
            return Ending("returned", returns_to, self._device.read_register("r0"))
        if stop.kind in _ENDINGS:
            return Ending(_ENDINGS[stop.kind], stop.pc)
        if stop.kind is StopKind.BKPT:
            return self._break(stop)
        if stop.kind is StopKind.RESET:
            self._device.boot(self._booted_from)
            return None
        if stop.kind is not StopKind.SLICE:
            self._take(stop)
        return None

    def _take(self, stop: Stop) -> None:
        """An exception; of faults the first is kept, for those that follow come from it."""
        returns = stop.kind is StopKind.EXCEPTION_RETURN
        if returns and self._device.read_register("ipsr") == 0:
            raise DeviceError(
                f"{self._program.file} returned to {format_address(stop.address)}, which only the "
                "handler of an exception may: a reset handler must not return (after "
                f"{self._counted:,} {self._device.capabilities.count.unit})",
                pc=stop.pc,
                address=stop.address,
            )
        if stop.kind not in _QUIET and self._fault is None:
            self._fault = stop, self._device.read_register("lr")
            self._bytes_at_fault = self._bytes_at(stop.pc)
        try:
            self._device.take_exception(stop)
        except LockupError:
            self._raise_fault()
            raise

    def _break(self, stop: Stop) -> Ending | None:
        if self._device.read(stop.pc, 2) != BKPT_SEMIHOSTING:
            return Ending("breakpoint", stop.pc)
        exited = self._semihosting.serve(stop.pc)
        return Ending("exit", stop.pc, exited.code) if exited else None

    # Faults.

    def _bytes_at(self, pc: int) -> str:
        try:
            return self._device.read(pc, 4).hex(" ")
        except DeviceError:
            return ""

    def _raise_fault(self) -> None:
        """DeviceError if there was a fault."""
        if self._fault is None:
            return
        stop, _ = self._fault
        raise DeviceError(
            f"{self._program.file} faulted at {self._fault_text()}; CFSR "
            f"{self._device.fault_status:#010x}, after {self._counted:,} "
            f"{self._device.capabilities.count.unit}",
            pc=stop.pc,
            address=stop.address,
        )

    def _fault_text(self) -> str:
        assert self._fault is not None
        stop, lr = self._fault
        what = {
            StopKind.READ: f"a load from {format_address(stop.address)}, where nothing is",
            StopKind.WRITE: f"a store to {format_address(stop.address)}, where no RAM is",
            StopKind.FETCH: f"a jump to {format_address(stop.address)}, where no code can be",
            StopKind.UNDEFINED: f"an undefined instruction ({self._bytes_at_fault})",
            StopKind.DIVIDE_BY_ZERO: "a division by zero",
        }.get(stop.kind, stop.kind.name.lower())
        where = self._program.describe(stop.pc)
        if stop.kind is StopKind.FETCH:
            where += f", called from {self._program.describe((lr & ~1) - 2)}"
        return f"{where}: {what}"
