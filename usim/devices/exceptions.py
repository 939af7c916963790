"""Exceptions of Armv7-M on an engine that has none: entry, return, escalation, lockup.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5.6 to B1.5.8 and B1.5.14. Which
exception comes first is the Nvic's business, what lies on the stack that of the Frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from usim.devices.exception_frames import (
    CONTROL_FPCA,
    CONTROL_SPSEL,
    Frames,
    Memory,
)
from usim.devices.fault_status import (
    HFSR_DEBUGEVT,
    HFSR_FORCED,
    HFSR_VECTTBL,
    INVPC,
    INVSTATE,
    LSPERR,
    MLSPERR,
    MSTKERR,
    MUNSTKERR,
    STKERR,
    UNSTKERR,
    record_fault,
)
from usim.devices.fpu_registers import READY, FpuRegisters
from usim.devices.nvic import (
    BUS_FAULT,
    HARD_FAULT,
    MEM_MANAGE,
    NMI,
    SVCALL,
    USAGE_FAULT,
    Nvic,
)
from usim.devices.stops import Stop, StopKind
from usim.devices.system_registers import CCR, CFSR, CPACR, HFSR, SCR, VTOR, SystemRegisters
from usim.devices.unicorn_engine import UnicornEngine
from usim.errors import AccessError, LockupError, ProtectionError
from usim.formatting import format_address

# From the end of the last instruction to the first one of the handler, with code and stack in
# tightly coupled memory: 12 on a Cortex-M3, M4 and M7 (reference measurements: 11 to 12). That
# return takes as long is assumed.
ENTRY_CYCLES: Final = 12
RETURN_CYCLES: Final = 12
# From handler to handler nothing is stacked: 6 on a Cortex-M3 and M4, taken over for the M7.
CHAIN_CYCLES: Final = 6
# 17 floating-point words over a bus of 64 bits: assumed.
FP_FRAME_CYCLES: Final = 9

_HANDLER_STATE: Final = ("ipsr", "control", "lr")
_EXC_RETURNS: Final = frozenset({0xE1, 0xE9, 0xED, 0xF1, 0xF9, 0xFD})
_NONBASETHRDENA: Final = 1 << 0
_FULL_ACCESS, _PRIVILEGED_ACCESS = 3, 1
_SLEEPONEXIT: Final = 1 << 1
# Of Armv8-M, and reserved in Armv7-M: without it Unicorn takes the state for none, and clears it.
_CONTROL_SFPA: Final = 1 << 3


class ExceptionModel:
    """Takes exceptions and returns from them.

    `run_due` lets everything happen that is due by now: what arrives while an entry stacks may come
    first (late arrival).
    """

    def __init__(
        self,
        engine: UnicornEngine,
        memory: Memory,
        system: SystemRegisters,
        nvic: Nvic,
        fpu: FpuRegisters,
    ) -> None:
        self._engine = engine
        self._memory = memory
        self._system = system
        self._nvic = nvic
        self._frames = Frames(engine, memory, system, fpu)
        self._fpu = fpu
        self.run_due: Callable[[], None] = lambda: None
        # Programs that bring no start-up code of their own find the unit switched on.
        self.heeds_cpacr = False
        # Who is told of an exception whose handler is about to start, its frame on the stack, and
        # of one that is over.
        self.on_enter: list[Callable[[int, Stop], None]] = []
        self.on_leave: list[Callable[[int], None]] = []
        # How often each exception was entered.
        self.entered: dict[int, int] = {}

    # What the core asks for.

    def take(self, stop: Stop) -> None:
        """Enter the exception that `stop` calls for, or return; LockupError if it can't be done."""
        if stop.kind is StopKind.EXCEPTION_RETURN:
            self._return(stop)
        elif stop.kind is StopKind.SVC:
            if self._nvic.group_priority(SVCALL) < self._level():
                self._nvic.pend(SVCALL)
                self.enter_pending(stop)
            else:
                self._enter(self._hard_fault(stop, HFSR_FORCED), stop)
        elif stop.kind is StopKind.BKPT:
            self._enter(self._hard_fault(stop, HFSR_DEBUGEVT), stop)
        else:
            thumb = self._engine.in_thumb_state
            number = record_fault(self._system, stop, in_thumb_state=thumb)
            self._enter(self._escalated(number, stop), stop)

    def next_to_enter(self) -> int | None:
        """What waits and may be taken now, the masks included; None if nothing is."""
        if self._nvic.next_exception() is None:
            return None
        return self._nvic.next_above(self._level())

    def enter_pending(self, stop: Stop) -> None:
        """Enter what waits, if it may be taken."""
        number = self.next_to_enter()
        if number is not None:
            self._enter(number, stop)

    def is_return(self, stop: Stop) -> bool:
        """Whether a branch to where returns go is one: in a thread it is none (B1.5.8)."""
        if stop.kind is not StopKind.EXCEPTION_RETURN:
            return False
        return self._engine.read_register("ipsr") != 0

    def wakes(self) -> bool:
        """Whether what is pending ends WFI: PRIMASK does not count (B1.5.19)."""
        if self._nvic.next_exception() is None:
            return False
        basepri, faultmask = self._engine.registers.read("basepri", "faultmask")
        level = self._nvic.execution_priority(0, basepri, faultmask)
        return self._nvic.next_above(level) is not None

    @property
    def sleeps_on_exit(self) -> bool:
        """Whether the core sleeps now that it has returned to a thread (SCR.SLEEPONEXIT)."""
        if not self._system.value(SCR) & _SLEEPONEXIT:
            return False
        return self._engine.read_register("ipsr") == 0

    @property
    def denies_fpu(self) -> bool:
        """Whether CPACR keeps what runs from the floating-point unit (B3.2.20)."""
        access = self._system.value(CPACR) >> 20 & 3
        if not self.heeds_cpacr or access == _FULL_ACCESS:
            return False
        return access != _PRIVILEGED_ACCESS or not self._engine.is_privileged

    @property
    def fpu_needs_care(self) -> bool:
        """Whether floating-point instructions must be looked at before they run."""
        closed = self.heeds_cpacr and self._system.value(CPACR) >> 20 & 3 != _FULL_ACCESS
        return closed or self._fpu.is_waiting or self._begins_fp_state

    @property
    def _begins_fp_state(self) -> bool:
        """Whether the next floating-point instruction is the first one since CONTROL.FPCA was 0."""
        return self._fpu.stacks and not self._engine.read_register("control") & CONTROL_FPCA

    def prepare_fp_state(self, stop: Stop) -> bool:
        """Before a floating-point instruction (ExecuteFPCheck(), B1.5.7); False if that faults."""
        if self._fpu.is_waiting and not self._preserve_fp_state(stop):
            return False
        if self._begins_fp_state:
            control = self._engine.read_register("control")
            self._engine.write_register("control", control | CONTROL_FPCA | _CONTROL_SFPA)
            self._engine.write_register("fpscr", self._fpu.default_status)
        return True

    def _preserve_fp_state(self, stop: Stop) -> bool:
        """Lazy stacking, before a handler's first use of the unit; False if it faults."""
        try:
            self._frames.preserve()
        except AccessError as exc:
            denied = isinstance(exc, ProtectionError)
            self._system.set_bits(CFSR, MLSPERR if denied else LSPERR)
            self._enter(self._escalated(MEM_MANAGE if denied else BUS_FAULT, stop), stop)
            return False
        if self._engine.timer is not None:
            self._engine.timer.wait(FP_FRAME_CYCLES)
        return True

    # Priorities.

    def _level(self) -> int:
        masks = self._engine.registers.read("primask", "basepri", "faultmask")
        return self._nvic.execution_priority(*masks)

    def _escalated(self, number: int, stop: Stop) -> int:
        enabled = self._nvic.enabled >> number & 1
        if enabled and self._nvic.group_priority(number) < self._level():
            return number
        return self._hard_fault(stop, HFSR_FORCED)

    def _hard_fault(self, stop: Stop, status: int) -> int:
        if self._level() <= self._nvic.group_priority(HARD_FAULT):
            running = self._engine.read_register("ipsr")
            raise self._lockup(stop, {
                HARD_FAULT: "a fault inside the HardFault handler",
                NMI: "a fault inside the NMI handler",
            }.get(running, "a fault while FAULTMASK is set"))  # fmt: skip
        self._system.set_bits(HFSR, status)
        return HARD_FAULT

    # Entry.

    def _enter(self, number: int, stop: Stop) -> None:
        engine = self._engine
        control, running = engine.registers.read("control", "ipsr")
        in_handler = running != 0
        process_stack = bool(control & CONTROL_SPSEL) and not in_handler
        with_fp = self._frames.uses_fpu(control)
        if engine.timer is not None:
            stores_fp = with_fp and not self._fpu.stacks_lazily
            engine.timer.interrupt(ENTRY_CYCLES + (FP_FRAME_CYCLES if stores_fp else 0))
        number = self._push(number, stop, with_fp=with_fp)
        exc_return = 0xFFFF_FFF1 if in_handler else 0xFFFF_FFFD if process_stack else 0xFFFF_FFF9
        self.run_due()
        self._start_handler(self._latest(number), exc_return & ~(0x10 if with_fp else 0), stop)

    def _push(self, number: int, stop: Stop, *, with_fp: bool) -> int:
        """Stack; returns what comes first: `number`, or the fault of a stack that is no memory."""
        try:
            self._frames.push(with_fp=with_fp, ready=self._ready_faults() if with_fp else 0)
        except AccessError as exc:
            denied = isinstance(exc, ProtectionError)
            self._system.set_bits(CFSR, MSTKERR if denied else STKERR)
            derived = self._escalated(MEM_MANAGE if denied else BUS_FAULT, stop)
            return self._first_of(derived, number)
        return number

    def _ready_faults(self) -> int:
        """FPCCR's bits for the faults that could be taken now."""
        level = self._level()
        return sum(bit for fault, bit in READY.items() if self._nvic.group_priority(fault) < level)

    def _latest(self, number: int) -> int:
        """What has arrived by now, if it comes before `number`."""
        if self._nvic.next_exception() in (None, number):
            return number
        arrived = self._nvic.next_above(self._level())
        return number if arrived is None else self._first_of(number, arrived)

    def _first_of(self, one: int, other: int) -> int:
        """The one with the higher priority; what is not pending and has to wait is pended."""
        first = min(one, other, key=lambda number: (self._nvic.priority(number), number))
        for number in {one, other} - {first}:
            self._nvic.pend(number)
        return first

    def _start_handler(self, number: int, exc_return: int, stop: Stop) -> None:
        engine = self._engine
        handler = self._vector(number)
        if handler is None:
            number, handler = self._without_vector(number, stop)
        engine.clear_it_state()
        control = engine.read_register("control") & ~(CONTROL_SPSEL | CONTROL_FPCA)
        engine.registers.write(_HANDLER_STATE, (number, control, exc_return))
        self._nvic.activate(number)
        self.entered[number] = self.entered.get(number, 0) + 1
        for tell in self.on_enter:
            tell(number, stop)
        engine.counter.set_event_register()
        if handler & 1:
            engine.jump(handler)
            return
        if number == HARD_FAULT:
            raise self._lockup(stop, self._has_no_handler(number))
        try:
            self._start_without_handler(handler, stop)
        except LockupError as exc:
            raise self._lockup(stop, self._has_no_handler(number)) from exc

    def _start_without_handler(self, vector: int, stop: Stop) -> None:
        """The first instruction would not be in Thumb state (B1.5.6): the next fault at once."""
        self._system.set_bits(CFSR, INVSTATE)
        self._engine.jump(vector, thumb=False)
        self._enter(self._escalated(USAGE_FAULT, stop), stop)

    def _without_vector(self, number: int, stop: Stop) -> tuple[int, int]:
        """The vector table can't be read: HardFault comes first, the exception waits (B1.5.14)."""
        vector = self._vector(HARD_FAULT)
        if vector is None or self._nvic.priority(number) <= self._nvic.priority(HARD_FAULT):
            raise self._lockup(stop, self._has_no_handler(number))
        self._system.set_bits(HFSR, HFSR_VECTTBL)
        self._nvic.pend(number)
        return HARD_FAULT, vector

    def _has_no_handler(self, number: int) -> str:
        return f"exception {number} has no handler (VTOR {format_address(self._vtor)})"

    @property
    def _vtor(self) -> int:
        return self._system.value(VTOR)

    def _vector(self, number: int) -> int | None:
        try:
            vector = self._memory.load_vector(self._vtor + 4 * number)
        except AccessError:
            return None
        self._engine.account_access(self._vtor + 4 * number, 4, is_write=False)
        return int.from_bytes(vector, "little")

    # Return.

    def _return(self, stop: Stop) -> None:
        """Unstack what entry stacked; the address branched to says what, bit 0 lost."""
        exc_return = stop.address | 1
        running, faultmask = self._engine.registers.read("ipsr", "faultmask")
        problem = self._problem_with(exc_return, running)
        self._nvic.deactivate(running)
        for tell in self.on_leave:
            tell(running)
        if faultmask and running != NMI:
            self._engine.write_register("faultmask", 0)
        if problem:
            self._fail_return(INVPC, USAGE_FAULT, exc_return, stop)
            return
        following = self.next_to_enter()
        if following is not None:
            self._chain(following, exc_return, stop)
            return
        self._unstack(exc_return, stop)

    def _problem_with(self, exc_return: int, running: int) -> bool:
        """The integrity checks of B1.5.8."""
        others = self._nvic.active & ~(1 << running)
        if exc_return & 0xFF not in _EXC_RETURNS or not self._nvic.active >> running & 1:
            return True
        to_handler = not exc_return & 8
        if to_handler:
            return not others
        return bool(others) and not self._system.value(CCR) & _NONBASETHRDENA

    def _unstack(self, exc_return: int, stop: Stop) -> None:
        engine = self._engine
        with_fp = not exc_return & 0x10
        pops_fp = with_fp and not self._fpu.is_waiting
        try:
            frame = self._frames.read(exc_return)
        except AccessError as exc:
            denied = isinstance(exc, ProtectionError)
            number = MEM_MANAGE if denied else BUS_FAULT
            self._fail_return(MUNSTKERR if denied else UNSTKERR, number, exc_return, stop)
            return
        to_handler = not exc_return & 8
        if bool(frame.exception) != to_handler:
            self._fail_return(INVPC, USAGE_FAULT, exc_return, stop)
            return
        self._frames.restore(frame, exc_return)
        engine.counter.set_event_register()
        if engine.timer is not None:
            engine.timer.interrupt(RETURN_CYCLES + (FP_FRAME_CYCLES if pops_fp else 0))

    def _fail_return(self, status: int, number: int, exc_return: int, stop: Stop) -> None:
        """The fault of a return takes the place of the handler: nothing is stacked."""
        self._system.set_bits(CFSR, status)
        self._chain(self._escalated(number, stop), exc_return, stop)

    def _chain(self, number: int, exc_return: int, stop: Stop) -> None:
        if self._engine.timer is not None:
            self._engine.timer.interrupt(CHAIN_CYCLES)
        self.run_due()
        self._start_handler(self._latest(number), exc_return, stop)

    def _lockup(self, stop: Stop, why: str) -> LockupError:
        return LockupError(
            f"the core locked up at {format_address(stop.pc)}: {why}; "
            f"{stop.kind.name.lower()} fault, address {format_address(stop.address)}, "
            f"CFSR {self._system.value(CFSR):#010x}",
            pc=stop.pc,
            address=stop.address,
        )
