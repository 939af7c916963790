"""Runs the core as the chip does: events at their cycles, exceptions when they may come, sleep.

The engine stops at the instruction boundary that the time of an event falls on, so what happens
does not depend on how long a slice is or how fast the host runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from usim.devices.events import EventQueue
from usim.devices.exceptions import ExceptionModel
from usim.devices.nvic import THREAD_PRIORITY, Nvic
from usim.devices.polling import Polling
from usim.devices.stops import Stop, StopKind
from usim.devices.system_registers import SCR, SystemRegisters
from usim.devices.unicorn_engine import UnicornEngine
from usim.timing.counter import NOT_PENDING, Entered

# What handling a stop counts for in a slice, in instructions that the host runs in that time.
_STOP_INSTRUCTIONS: Final = 5_000
_STOPS_IN_A_SLICE: Final = 1_000
_SEVONPEND: Final = 1 << 4


class Execution:
    """The core of one device, from stop to stop that the host has to know of.

    `slept_cycles` is time that passed in WFI and WFE, which the engine does not count.
    """

    def __init__(self, engine: UnicornEngine, system: SystemRegisters, nvic: Nvic) -> None:
        self._engine = engine
        self._system = system
        self._nvic = nvic
        self.events = EventQueue(
            lambda: engine.time_now() + self.slept_cycles,
            lambda: engine.time_behind_block() + self.slept_cycles,
        )
        self.slept_cycles = 0
        # Of these, those in which the core's clock ran all the same, and whether it does now.
        self.counted_sleep = 0
        self.counts_sleep: Callable[[], bool] = lambda: False
        self._asleep: Literal["", "wfi", "wfe"] = ""
        self._reset_asked = self._halt_asked = False
        # The next event when the engine was started.
        self._awaited: int | None = None
        # No exception is entered before what made it pending.
        self._not_before = 0
        self._pending_seen = 0
        self._masks_interrupts = False
        # What AIRCR.SYSRESETREQ does.
        self.on_reset_request: Callable[[], None] = self.request_reset
        self.events.on_change = self._follow_events
        nvic.on_change = self._follow_nvic
        self._follow_nvic()

    def attach(self, exceptions: ExceptionModel) -> None:
        """Set what takes exceptions; before the first run."""
        self._exceptions = exceptions
        self.polling: Polling | None = None
        exceptions.run_due = lambda: self.events.run_due(self._now)

    def reset(self) -> None:
        """As after a reset of the core: awake. Time and events of others go on."""
        self._asleep = ""
        self._reset_asked = self._halt_asked = False
        self._pending_seen = 0
        self._engine.counter.take_event_register()

    # What programs and the host ask for.

    def request_reset(self) -> None:
        """End the run with RESET, from within a callback or an event as well."""
        self._reset_asked = True
        self._engine.halt()

    def halt(self) -> None:
        """End the run with HALTED: behind the store that asks for it, or before the next block."""
        self._halt_asked = True
        self._engine.counter.set_event_time(0)

    def software_reset(self) -> None:
        """AIRCR.SYSRESETREQ."""
        self.on_reset_request()

    def send_event(self) -> None:
        """Set the event register: WFE ends, or does not wait the next time."""
        self._engine.counter.set_event_register()

    def mask_interrupts(self, *, masked: bool) -> None:
        """Let exceptions wait, as a debugger does in a step."""
        self._masks_interrupts = masked
        self._follow_nvic()

    def wake(self) -> None:
        """Leave WFI or WFE, as a debugger makes the core do."""
        self._asleep = ""

    @property
    def is_asleep(self) -> bool:
        """Whether the core waits in WFI or WFE."""
        return bool(self._asleep)

    # Running.

    def run(self, stop_address: int, instructions: int, *, takes_returns: bool = False) -> Stop:
        """Run for `instructions` or so: to `stop_address`, or to what the host has to handle.

        That is not handlers' returns if this `takes_returns`.
        """
        counter = self._engine.counter
        end = counter.executed + instructions
        # Whether something may have become pending since the last instruction.
        is_to_look = False
        while True:
            if (asked := self._asked_for()) is not None:
                return asked
            if self._asleep:
                if (kind := self._sleep()) is not None:
                    return Stop(kind, self._engine.pc)
                is_to_look = True
            if self._halt_asked or self._reset_asked:
                continue
            if is_to_look and self._is_interrupted():
                stop = Stop(StopKind.INTERRUPT, self._engine.pc)
            else:
                self._awaited = self.events.next_cycle
                stop = self._engine.run(stop_address, max(end - counter.executed, 0))
            if stop.kind is not StopKind.WAITING and self.polling is not None:
                self.polling.forget()
            is_to_look = stop.kind is StopKind.EVENT
            if takes_returns and self._exceptions.is_return(stop):
                self.take(stop)
            elif not self._handle(stop):
                return stop
            end -= min(_STOP_INSTRUCTIONS, instructions // _STOPS_IN_A_SLICE)
            if counter.executed >= end and stop.kind is StopKind.INTERRUPT:
                return Stop(StopKind.SLICE, self._engine.pc)

    def _is_interrupted(self) -> bool:
        """Whether the engine, if it were started, would stop for an exception at once."""
        due = self.events.next_cycle
        if self._masks_interrupts or (due is not None and due <= self._now):
            return False
        return self._exceptions.next_to_enter() is not None

    def _asked_for(self) -> Stop | None:
        if self._reset_asked:
            self._reset_asked = False
            return Stop(StopKind.RESET, self._engine.pc)
        if self._halt_asked:
            self._halt_asked = False
            self._follow_events()
            return Stop(StopKind.HALTED, self._engine.pc)
        return None

    def _handle(self, stop: Stop) -> bool:
        """Do what is the core's own business; False for what the host has to know of."""
        match stop.kind:
            case StopKind.EVENT:
                self._run_due()
            case StopKind.INTERRUPT:
                self._wait_for_cause()
                self._exceptions.enter_pending(stop)
                self.follow_fpu()
            case StopKind.USES_FPU:
                return self._use_fpu(stop)
            case StopKind.WAITING:
                assert self.polling is not None
                self.polling.look(stop.pc)
            case StopKind.SLEEP if not (self._halt_asked or self._reset_asked):
                self._asleep = "wfi"
            case StopKind.SLEEP:
                pass
            case StopKind.WAIT_FOR_EVENT:
                if not self._engine.counter.take_event_register():
                    self._asleep = "wfe"
            case _:
                return False
        return True

    def take(self, stop: Stop) -> None:
        """Enter the exception that `stop` calls for, or return from one."""
        self._exceptions.take(stop)
        self.follow_fpu()
        if stop.kind is StopKind.EXCEPTION_RETURN and self._exceptions.sleeps_on_exit:
            self._asleep = "wfi"

    def _use_fpu(self, stop: Stop) -> bool:
        """Before a floating-point instruction: lazy stacking, or a fault if the unit is off."""
        if self._exceptions.denies_fpu:
            self._exceptions.take(Stop(StopKind.NO_COPROCESSOR, stop.pc))
        elif self._exceptions.prepare_fp_state(stop):
            self._engine.counter.enter_next(Entered.CHECKED)
        self.follow_fpu()
        return True

    def follow_fpu(self) -> None:
        """Stop at floating-point instructions as long as they need something done before."""
        self._engine.counter.set_fpu_trap(enabled=self._exceptions.fpu_needs_care)

    # Time.

    @property
    def _now(self) -> int:
        return self._engine.time_now() + self.slept_cycles

    def _run_due(self) -> None:
        due = self.events.next_cycle
        # What the engine stopped for may have happened at an access in its last block.
        is_due = due is not None and (due == self._awaited or due <= self._now)
        if due is not None and is_due and not self._halt_asked:
            self._not_before = max(due, self._now)
            self.events.run_due(self._not_before)

    def _wait_for_cause(self) -> None:
        """The pipeline was waiting for something when the event happened: it stops to do so."""
        missing = self._not_before - self._now
        if missing > 0 and self._engine.timer is not None:
            self._engine.timer.wait(missing)
            self._follow_events()

    def _follow_events(self) -> None:
        if self._halt_asked:
            return
        next_cycle = self.events.next_cycle
        at = None if next_cycle is None else next_cycle - self.slept_cycles
        self._engine.counter.set_event_time(at)

    def _follow_nvic(self) -> None:
        nvic = self._nvic
        number = nvic.next_exception()
        priority = THREAD_PRIORITY if number is None else nvic.group_priority(number)
        waits = priority < nvic.active_priority() and not self._masks_interrupts
        self._engine.counter.set_pending(priority if waits else NOT_PENDING, nvic.group_mask)
        risen = nvic.pending & ~self._pending_seen
        self._pending_seen = nvic.pending
        if risen and self._system.value(SCR) & _SEVONPEND:
            self._engine.counter.set_event_register()

    # Sleep.

    def _sleep(self) -> StopKind | None:
        """Let time pass to what ends the sleep; None if it has ended, or the host wants something.

        SLEEP if nothing that is scheduled can end it, SLICE if that is still to come.
        """
        for _ in range(_STOPS_IN_A_SLICE):
            if self._is_woken():
                self._asleep = ""
                return None
            due = self.events.next_cycle
            if due is None:
                return StopKind.SLEEP
            self._let_pass(max(due - self._now, 0))
            self.events.run_due(due)
            if self._halt_asked or self._reset_asked:
                return None
        return StopKind.SLICE

    def _let_pass(self, cycles: int) -> None:
        self.slept_cycles += cycles
        if self.counts_sleep():
            self.counted_sleep += cycles

    def _is_woken(self) -> bool:
        if self._exceptions.wakes():
            return True
        return self._asleep == "wfe" and self._engine.counter.take_event_register()
