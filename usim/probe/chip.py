"""The embedded device as a chip that runs on its own and that debuggers halt, look into and resume.

Sources: Armv7-M Architecture Reference Manual (DDI 0403E) C1.2 to C1.6, RM0385 (STM32F74x).
No socket is in here: whoever serves the chip calls `run` between requests while it is not halted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from usim.devices.base import Timing
from usim.devices.embedded import EmbeddedDevice
from usim.devices.peripherals import ResetCause
from usim.devices.stops import Stop, StopKind
from usim.devices.system_registers import DEMCR
from usim.errors import AccessError, DeviceError, LockupError
from usim.platforms import Platform
from usim.probe import it_blocks
from usim.probe.halt_reasons import CATCHES, HaltReason, VectorCatch
from usim.probe.shared_watchpoints import SharedWatchpoints
from usim.timing.counter import MAX_BREAKPOINTS

ChipState = Literal["halted", "running", "asleep", "locked up"]

_NOWHERE: Final = 0xFFFF_FFF0
# B1.5.8; anything else with these upper bits is no return from an exception.
_EXC_RETURNS: Final = frozenset(0xFFFF_FFE0 | low for low in (0x1, 0x9, 0xD, 0x11, 0x19, 0x1D))
# Stops that the core goes on from by itself.
_UNEVENTFUL: Final = frozenset({StopKind.SLICE, StopKind.REACHED, StopKind.HALTED})
# Stops behind an instruction, and not at it.
_AFTER: Final = _UNEVENTFUL | {StopKind.WATCHED}


class EmulatedChip:
    """One chip with what a debugger can do to it.

    Life cycle:
    1. construct with a Platform: nothing is allocated;
    2. open(): powered up, reset and halted; memory is zero, flash erased;
    3. resume(), then run() again and again while `halted` is False; halt(), step(), reset(),
       registers and memory in any order;
    4. close().

    Several debuggers may share it. Each calls attach() with its name, owns the breakpoints that it
    set, and finds out by `halted` and `halt_count` that another one (or the program) halted it.
    Registers are called as in Device. Register access and step() are for a halted core.
    """

    def __init__(
        self,
        platform: Platform,
        timing: Timing = "count",
        device: EmbeddedDevice | None = None,
    ) -> None:
        self.platform = platform
        self.timing = timing
        # One that is open already takes the place of open(), reset() that of the power-up.
        self.device = device or EmbeddedDevice(platform, timing)
        self.vector_catch = VectorCatch.NONE
        # Where the vector table is at reset.
        self.boot_address = _default_boot_address(platform)
        # Counters, for a debugger to compare with what it saw last.
        self.halt_count = 0
        self.reset_count = 0
        # Why the core halted last.
        self.halt_reason = HaltReason.NONE
        # What the core died of while `state` is "locked up".
        self.lockup: LockupError | None = None
        # Whether an instruction runs now: an access is the program's and not a debugger's.
        self.executing = False
        self._halted = True
        self._asleep = False
        self._reset_requested = False
        self._debuggers: set[str] = set()
        self._breakpoints: dict[str, frozenset[int]] = {}
        self.watchpoints = SharedWatchpoints(self.device)
        # Where the emulator is to stop, and which of that stands for breakpoints in IT blocks.
        self._stops: frozenset[int] = frozenset()
        self._it_stops: frozenset[int] = frozenset()

    def open(self) -> None:
        """Power up; the core is reset and halted."""
        self.device.open()
        self.reset(halt=True)

    def close(self) -> None:
        """Free the chip. Calling it twice is fine."""
        self.device.close()

    def __enter__(self) -> EmulatedChip:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # State.

    @property
    def halted(self) -> bool:
        """Whether the core is in debug state."""
        return self._halted

    @property
    def state(self) -> ChipState:
        """What the core does."""
        if self._halted:
            return "halted"
        if self.lockup is not None:
            return "locked up"
        return "asleep" if self._asleep else "running"

    @property
    def instructions(self) -> int:
        """Instructions executed since open()."""
        return self.device.executed_instructions

    # Control.

    def attach(self, debugger: str) -> None:
        """From now on a breakpoint instruction halts (C_DEBUGEN) instead of being a HardFault."""
        self._debuggers.add(debugger)

    def detach(self, debugger: str) -> None:
        """Forget a debugger and its breakpoints; a halted core stays halted."""
        self._debuggers.discard(debugger)
        if self._breakpoints.pop(debugger, None):
            self._place_stops()
        self.watchpoints.replace(debugger, ())

    def halt(self, reason: HaltReason = HaltReason.HALTED) -> None:
        """Enter debug state; nothing happens if the core is halted already."""
        if self._halted:
            return
        self._halted = True
        self._asleep = False
        self.lockup = None
        self.halt_reason = reason
        self.device.add_debug_status(reason)
        self.halt_count += 1

    def resume(self) -> None:
        """Leave debug state: the core runs whenever `run` is called.

        A breakpoint at pc halts it again at once, as on the chip: step over it first.
        """
        self._place_stops()  # code may have been loaded since they were placed
        self._halted = False

    def wake(self) -> None:
        """Something came from outside: a core that sleeps looks whether it is woken by it."""
        self._asleep = False

    def step(self) -> None:
        """Execute one instruction of a halted core, or enter or leave one exception."""
        self._halted = False
        try:
            self._advance()
        finally:
            self.halt()

    def run(self, instructions: int) -> bool:
        """Let a core that isn't halted execute that many instructions or so.

        Returns whether it goes on by itself: False if it halted, sleeps or locked up.
        """
        if self.state == "running" and it_blocks.itstate_of(self.read_register("xpsr")):
            self._walk_it_block()  # a debugger halted in the middle of one
        if self.state == "running":
            self.device.set_breakpoints(self._stops)
            self._handle(self._run_slice(_NOWHERE, instructions))
        return self.state == "running"

    def reset(self, *, halt: bool, cause: ResetCause | None = None) -> None:
        """Reset the core (SYSRESETREQ) and boot from `boot_address`; memory keeps its content.

        With `halt` it halts before the first instruction (vector catch). Debuggers, breakpoints
        and vector catches survive, as they do a system reset on the chip (C1.4.1).
        """
        # A system reset leaves the debug registers alone.
        trace = self.read_memory(DEMCR, 4)
        self.device.boot(self.boot_address, cause=cause)
        self.write_memory(DEMCR, trace)
        self.lockup = None
        self._reset_requested = False
        self._asleep = False
        self._halted = False
        self.reset_count += 1
        if halt or (self._debuggers and self.vector_catch & VectorCatch.CORERESET):
            self.halt(HaltReason.VCATCH)

    def request_reset(self) -> None:
        """Reset as the program or a debugger asks for it by AIRCR.SYSRESETREQ."""
        if self.executing:
            self._reset_requested = True
            self.device.halt()
        else:
            self.reset(halt=False)

    # Breakpoints.

    def set_breakpoints(self, debugger: str, addresses: Iterable[int]) -> None:
        """Replace a debugger's breakpoints: the core halts before it executes these addresses.

        DeviceError if all debuggers together have more than the emulator takes.
        """
        before = self._breakpoints.get(debugger, frozenset())
        self._breakpoints[debugger] = frozenset(address & ~1 for address in addresses)
        try:
            self._place_stops()
        except DeviceError:
            self._breakpoints[debugger] = before
            raise

    def _place_stops(self) -> None:
        wanted = frozenset[int]().union(*self._breakpoints.values())
        it_stops, direct = set[int](), set[int]()
        for address in wanted:
            starts = it_blocks.possible_starts(address, self._halfword)
            it_stops.update(starts)
            if not starts:
                direct.add(address)
        stops = direct | it_stops
        if len(stops) > MAX_BREAKPOINTS:
            raise DeviceError(
                f"{len(stops)} breakpoints are more than the {MAX_BREAKPOINTS} that the emulated "
                "chip takes: remove some"
            )
        self._stops, self._it_stops = frozenset(stops), frozenset(it_stops)

    def _is_breakpoint(self, address: int) -> bool:
        return any(address in addresses for addresses in self._breakpoints.values())

    # Memory and registers.

    def read_memory(self, address: int, size_bytes: int) -> bytes:
        """Read as the debug port does, peripherals included; AccessError where nothing answers."""
        return self.device.bus_read(address, size_bytes)

    def write_memory(self, address: int, data: bytes) -> None:
        """Write as the debug port does, peripherals included; AccessError where nothing answers."""
        self.device.bus_write(address, data)

    def read_register(self, name: str) -> int:
        """A core register; pc without the Thumb bit, xpsr with T, ITSTATE and exception number."""
        value = self.device.read_register(name)
        # The emulator knows bit 3 of later architectures; here there are three (B1.4.4).
        return value & 7 if name == "control" else value

    def write_register(self, name: str, value: int) -> None:
        """Set a core register. Another pc ends an IT block; a chip leaves that to the debugger."""
        if name in {"pc", "r15"}:
            value &= ~1
            if value != self.read_register("pc") & ~1:
                xpsr = self.read_register("xpsr")
                self.device.write_register("xpsr", it_blocks.with_itstate(xpsr, 0))
        self.device.write_register(name, value)

    # Execution.

    def _handle(self, stop: Stop) -> None:
        """What a stop of the engine means to a chip."""
        if self._reset_requested:
            self.reset(halt=False, cause=ResetCause.SOFTWARE)
        elif stop.kind is StopKind.RESET:
            self.reset(halt=False, cause=self.device.reset_cause)
        elif stop.kind is StopKind.REACHED:
            self._arrive(stop.pc)
        elif stop.kind is StopKind.WATCHED:
            self.watchpoints.hit(stop.address)
            self.halt(HaltReason.DWTTRAP)
        elif stop.kind is StopKind.SLEEP:
            self._asleep = True
        elif stop.kind is StopKind.BKPT and self._debuggers:
            self.halt(HaltReason.BKPT)
        elif stop.kind not in _UNEVENTFUL:
            self._take(stop)

    def _arrive(self, pc: int) -> None:
        if self._is_breakpoint(pc):
            self.halt(HaltReason.BKPT)
        elif pc in self._it_stops:
            self._walk_it_block()

    def _walk_it_block(self) -> None:
        """Step from an IT instruction, or from inside its block, to the block's end.

        Or to a breakpoint in it, the first instruction included.
        """
        while not self._is_breakpoint(self.read_register("pc") & ~1):
            self._advance()
            if self.state != "running" or not it_blocks.itstate_of(self.read_register("xpsr")):
                return
        self.halt(HaltReason.BKPT)

    def _advance(self) -> None:
        """One instruction, breakpoints or not."""
        pc = self.read_register("pc") & ~1
        halfword = self._halfword(pc)
        xpsr = self.read_register("xpsr")
        itstate = it_blocks.itstate_of(xpsr)
        begun = it_blocks.begun_by(halfword)
        if not itstate and begun:
            self._skip_to(pc + 2, it_blocks.with_itstate(xpsr, begun))
        elif itstate and not it_blocks.passes(itstate, xpsr):
            after = it_blocks.with_itstate(xpsr, it_blocks.advance(itstate))
            self._skip_to(pc + it_blocks.size_of(halfword), after)
        else:
            self._execute(pc, pc + it_blocks.size_of(halfword), itstate)

    def _skip_to(self, address: int, xpsr: int) -> None:
        self.device.write_register("xpsr", xpsr)
        self.device.write_register("pc", address)

    def _execute(self, pc: int, following: int, itstate: int) -> None:
        """Run the instruction at `pc`, interrupts masked as OpenOCD does it in steps.

        Inside an IT block the emulator is told that it is alone.
        """
        device = self.device
        if itstate:
            xpsr = device.read_register("xpsr")
            device.write_register("xpsr", it_blocks.with_itstate(xpsr, it_blocks.ALWAYS_LAST))
        device.set_breakpoints(())
        device.mask_interrupts(masked=True)
        stop = self._run_slice(following, 1)
        device.mask_interrupts(masked=False)
        if itstate:
            went_on = stop.kind in _AFTER and stop.pc == following
            left = it_blocks.advance(itstate) if went_on else 0
            if stop.kind not in _AFTER:
                left = itstate  # the instruction has not been executed, or is about to leave
            xpsr = device.read_register("xpsr")
            device.write_register("xpsr", it_blocks.with_itstate(xpsr, left))
        if stop.kind not in _UNEVENTFUL or self._reset_requested:
            self._handle(stop)

    def _take(self, stop: Stop) -> None:
        if stop.kind is StopKind.EXCEPTION_RETURN and not self._returns(stop.address | 1):
            # Nothing can be executed there (B1.5.8): such as the reset vector of an erased flash.
            stop = Stop(StopKind.FETCH, stop.pc, stop.address)
        try:
            self.device.take_exception(stop)
        except LockupError as lockup:
            self.lockup = lockup
            return
        if stop.kind is StopKind.EXCEPTION_RETURN:
            return
        entered = self.read_register("ipsr")
        if self._debuggers and CATCHES.get(entered, VectorCatch.NONE) & self.vector_catch:
            self.halt(HaltReason.VCATCH)

    def _returns(self, exc_return: int) -> bool:
        return exc_return in _EXC_RETURNS and self.read_register("ipsr") != 0

    def _run_slice(self, stop_address: int, instructions: int) -> Stop:
        self.executing = True
        try:
            return self.device.run_slice(stop_address, instructions)
        finally:
            self.executing = False

    def _halfword(self, address: int) -> int:
        """Code at an address; 0 where nothing can be read."""
        try:
            return int.from_bytes(self.device.load(address, 2), "little")
        except AccessError:
            return 0


def _default_boot_address(platform: Platform) -> int:
    """The lowest address at which there is flash: BOOT_ADD0 as delivered (RM0385 2.5)."""
    flash = [region.base for region in platform.regions if region.kind == "flash"]
    return min(flash or [region.base for region in platform.regions])
