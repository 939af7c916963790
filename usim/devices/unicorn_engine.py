"""Runs instructions on Unicorn's Cortex-M7 and says why it stopped; see `unicorn_core.py`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from unicorn import Uc, UcError, unicorn_const

from usim.devices.block_boundaries import boundaries_in, first_floating_point, instructions_in
from usim.devices.registers import REGISTER_IDS
from usim.devices.stops import INTERRUPTS, KINDS, NOT_EXECUTED, Stop, StopKind
from usim.devices.unicorn_core import THUMB, XPSR_IT, XPSR_T, UnicornCore
from usim.devices.watchpoints import Watchpoints
from usim.errors import DeviceError
from usim.timing.counter import Entered, StopReason, Watchpoint

__all__ = ["REGISTER_IDS", "XPSR_IT", "Stop", "StopKind", "UnicornEngine"]

_SAVED: Final = tuple(f"r{i}" for i in range(15))

# YIELD and WFE (A7.7), encodings T1 and T2. Unicorn ends them with an error, pc behind them.
_HINTS: Final = {
    b"\x10\xbf": StopKind.SLICE,
    b"\xaf\xf3\x01\x80": StopKind.SLICE,
    b"\x20\xbf": StopKind.WAIT_FOR_EVENT,
    b"\xaf\xf3\x02\x80": StopKind.WAIT_FOR_EVENT,
}


@dataclass(frozen=True, slots=True)
class _BadAccess:
    kind: StopKind
    address: int
    pc: int | None  # None: where Unicorn stops
    registers: dict[str, int]


class UnicornEngine(UnicornCore):
    """Runs a core and says why it stopped."""

    def __init__(self) -> None:
        super().__init__()
        # Where the block that runs is cut for a floating-point instruction, not for an event.
        self._fpu_stop: int | None = None
        # ... and where it is cut for an event.
        self._event_stop: int | None = None
        self._bad_access: _BadAccess | None = None
        self._interrupt: int | None = None
        # What to do before a block runs, by why the native side has stopped there.
        self._before_block: Final[dict[StopReason, Callable[[], Stop | None]]] = {
            StopReason.NEW_BLOCK: self._inspect_block,
            StopReason.EVENT_INSIDE: self._stop_at_event,
            StopReason.USES_FPU: self._stop_at_fpu,
        }
        self._watchpoints = Watchpoints(self._hooks, self.counter)
        self._uc.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self._on_bad_access)
        self._uc.hook_add(unicorn_const.UC_HOOK_INTR, self._on_interrupt)

    # Running.

    def halt(self) -> None:
        """End `run` from within a callback; it says SLEEP."""
        self._uc.emu_stop()

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        """Have `run` stop at these addresses too: at most counter.MAX_BREAKPOINTS."""
        for address in addresses:
            self._hooks.watch(address)
        self.counter.set_breakpoints(addresses)

    def set_watchpoints(self, watchpoints: Sequence[Watchpoint]) -> None:
        """Have `run` stop behind accesses to these: at most counter.MAX_WATCHPOINTS."""
        self._watchpoints.place(watchpoints)

    def run(self, stop_address: int, budget: int) -> Stop:
        """Execute from pc until `stop_address`, `budget` instructions on or so, or an event."""
        self._hooks.watch(stop_address)
        self._hooks.thin_out()
        end = self.counter.executed + budget
        while True:
            pc, status = self.registers.read("pc", "xpsr")
            if not status & XPSR_T:
                return Stop(StopKind.UNDEFINED, pc & ~THUMB)
            self._hooks.hook_late_accesses()
            self.counter.arm(stop_address, max(end - self.counter.executed, 0))
            self._executed_before_run = self.counter.executed
            self._bad_access = self._interrupt = None
            error = self._start(pc)
            self._hooks.forget_stop()
            if self.timer is not None:
                self.timer.raise_failure()
            stop = self._explain(error)
            if self._code_is_stale:
                self._drop_translations()
                if stop is not None and stop.kind is StopKind.SLEEP:
                    continue  # it stopped for this, not to sleep
            if stop is not None and not (stop.kind is StopKind.SLICE and self._goes_on(end)):
                # Where this run was cut says nothing of the next one.
                self._event_stop = self._fpu_stop = None
                return stop

    def _goes_on(self, end: int) -> bool:
        """Whether a run that ended like a slice did so for hooks to be set, and is not over."""
        changed, self._hooks_have_changed = self._hooks_have_changed, False
        if changed:
            self._uc.ctl_flush_tb()
        return (self._hooks.hook_late_accesses() or changed) and self.counter.executed < end

    def _start(self, pc: int) -> UcError | None:
        self._is_running = True
        try:
            # No address is odd, so Unicorn's own `until` never matches.
            self._uc.emu_start(pc | THUMB, 0xFFFF_FFFF)
        except UcError as exc:
            return exc
        finally:
            self._is_running = False
        return None

    def _explain(self, error: UcError | None) -> Stop | None:
        """What ended emu_start; None to go on."""
        if self._bad_access is not None:
            return self._stop_at_bad_access(self._bad_access)
        if self._interrupt is not None:
            return self._stop_at_interrupt(self._interrupt)
        pc, status = self.registers.read("pc", "xpsr")
        if error is not None:
            return self._stop_at_error(error, pc)
        if not status & XPSR_T:
            return Stop(StopKind.UNDEFINED, pc)  # going on would forget that
        if self.counter.stopped_inside and self.timer is not None:
            self.timer.rewind_to(pc)
        return self._stop_of_counter(self.counter.stop_reason, pc)

    def _stop_of_counter(self, reason: StopReason, pc: int) -> Stop | None:
        """What the native side ended the run for; None to go on."""
        if reason is StopReason.INSIDE_IT_BLOCK:
            raise DeviceError(
                "the emulator cannot stop inside an IT block, which it runs as a whole, and "
                f"ran on to {pc:#010x}: stop before the block or behind it"
            )
        if reason in self._before_block:
            return self._before_block[reason]()
        if reason is StopReason.EVENT_DUE and not self._is_at_event(pc):
            return None
        if reason in (StopReason.ACCESS_DENIED, StopReason.IS_UNALIGNED):
            return self._stop_at_access(pc, KINDS[reason])
        watched = self._watchpoints.take_hit().address if reason is StopReason.WATCHED else 0
        return Stop(KINDS[reason], pc, watched)

    def _inspect_block(self) -> None:
        self._hooks.inspect_block(*self.counter.block)

    def _is_at_event(self, pc: int) -> bool:
        """Whether a stop is for an event: not for what is in the block that begins there."""
        if pc == self._fpu_stop:
            self._fpu_stop = None
            return False
        return pc == self._event_stop or self.time_now() >= self.counter.event_time

    def _stop_at_event(self) -> Stop | None:
        """An event falls into the block that was counted: run up to there. None to go on."""
        address, size_bytes = self.counter.block
        place = self._place_of_event(address, size_bytes)
        if place == address:
            self._rewind_to(address)
            return Stop(StopKind.EVENT, address)
        if place is not None:
            self._hooks.stop_once(place)
        self._event_stop = place
        self.counter.enter_next(Entered.COUNTED)
        return None

    def _place_of_event(self, address: int, size_bytes: int) -> int | None:
        """The first boundary that is not before the event; None if that is the block's end."""
        code = bytes(self._uc.mem_read(address, size_bytes))
        at = self.counter.event_time
        if self.timer is None or not self.counts_cycles:
            behind = self.counter.executed - at
            places = instructions_in(code, address)
            first: int | None = places[-behind] if behind <= len(places) else address
        else:
            first = self.timer.first_from(at)
        boundaries = boundaries_in(code, address, self._hooks.left_of_it_block())
        return next((place for place in boundaries if first is not None and place >= first), None)

    def _stop_at_fpu(self) -> Stop | None:
        """A block uses the floating-point unit: stop before the first instruction that does."""
        address, size_bytes = self.counter.block
        code = bytes(self._uc.mem_read(address, size_bytes))
        first = first_floating_point(code, address)
        boundaries = boundaries_in(code, address, self._hooks.left_of_it_block())
        place = max((place for place in boundaries if place <= first), default=address)
        if place == address:
            return Stop(StopKind.USES_FPU, address)
        self._hooks.stop_once(place)
        self._fpu_stop = place
        self.counter.enter_next(Entered.CHECKED)
        return None

    def _stop_at_bad_access(self, bad: _BadAccess) -> Stop:
        # After a store that faults, Unicorn finishes the block. The registers go back to where they
        # were; stores behind the faulting one stay done, as they may on a chip with a write buffer.
        pc = self.pc if bad.pc is None else bad.pc
        for name, value in bad.registers.items():
            self.write_register(name, value)
        self.write_register("pc", pc | THUMB)
        self._rewind_to(pc)
        return Stop(bad.kind, pc, bad.address)

    def _stop_at_access(self, pc: int, kind: StopKind) -> Stop:
        """Unicorn has stopped at the access; a store was done and is undone."""
        assert self.mpu is not None
        if self.counter.stopped_inside:
            return Stop(kind, pc)
        address, old_bytes = self.mpu.denied
        if old_bytes:
            self._uc.mem_write(address, old_bytes)
        self._rewind_to(pc)
        return Stop(kind, pc, address)

    def _stop_at_interrupt(self, number: int) -> Stop:
        pc = self.read_register("pc")
        kind = INTERRUPTS.get(number)
        if kind is None:
            raise DeviceError(f"the emulator raised an unknown event {number} at pc {pc:#010x}")
        if kind in NOT_EXECUTED:
            self._rewind_to(pc)
        return Stop(kind, pc, pc)

    def _hint_before(self, pc: int) -> StopKind | None:
        """What a hint that ran before `pc` asks for, if it was one."""
        if self.counter.executed_before(pc) == self._executed_before_run:
            return None  # nothing ran: the instruction at pc itself is what is wrong
        try:
            before = bytes(self._uc.mem_read(pc - 4, 4))
        except UcError:
            return None
        return _HINTS.get(before) or _HINTS.get(before[2:])

    def _stop_at_error(self, error: UcError, pc: int) -> Stop:
        if error.errno == unicorn_const.UC_ERR_INSN_INVALID:
            if (hint := self._hint_before(pc)) is not None:
                return Stop(hint, pc)
            self._rewind_to(pc)
            return Stop(StopKind.UNDEFINED, pc)
        raise DeviceError(f"the emulator failed at pc {pc:#010x}: {error}") from error

    def refuse_access(self, kind: StopKind, address: int) -> None:
        """Make the access that a register callback serves a fault; what it returns is not used."""
        registers = dict(zip(_SAVED, self.registers.read(*_SAVED), strict=True))
        self._bad_access = _BadAccess(kind, address, None, registers)
        self._uc.emu_stop()

    # What Unicorn calls.

    def _on_bad_access(
        self, _uc: Uc, access: int, address: int, size: int, value: int, _data: object
    ) -> bool:
        if access == unicorn_const.UC_MEM_WRITE_PROT and self._bad_access is None:
            data = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
            if self.store_to_read_only(address, data):
                self.clear_it_state()
                return True
        kinds = {
            unicorn_const.UC_MEM_READ_UNMAPPED: StopKind.READ,
            unicorn_const.UC_MEM_READ_PROT: StopKind.READ,
            unicorn_const.UC_MEM_WRITE_UNMAPPED: StopKind.WRITE,
            unicorn_const.UC_MEM_WRITE_PROT: StopKind.WRITE,
        }
        if self._bad_access is None:
            registers = dict(zip(_SAVED, self.registers.read(*_SAVED), strict=True))
            self._bad_access = _BadAccess(
                kinds.get(access, StopKind.FETCH), address, self.read_register("pc"), registers
            )
        return False

    def _on_interrupt(self, uc: Uc, number: int, _data: object) -> None:
        self._interrupt = number
        uc.emu_stop()
