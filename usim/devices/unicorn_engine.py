"""The CPU core: Unicorn's Cortex-M7 with native counting, our own memory, stops explained.

What Unicorn leaves out of an M-profile core (exceptions, system registers, traps) is not here but
in `exceptions.py` and `system_registers.py`; this module runs instructions and says why it stopped.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from unicorn import Uc, UcError, arm_const, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from usim.devices.block_boundaries import boundaries_in, first_floating_point, instructions_in
from usim.devices.instruction_hooks import EVERYWHERE, Hook, InstructionHooks
from usim.devices.mpu import Mpu
from usim.devices.registers import REGISTER_IDS, Registers
from usim.devices.stops import INTERRUPTS, KINDS, NOT_EXECUTED, Stop, StopKind
from usim.devices.watchpoints import Watchpoints
from usim.errors import DeviceError
from usim.platforms import Platform
from usim.timing.counter import Entered, InstructionCounter, StopReason, Watchpoint
from usim.timing.memory import MemoryModel
from usim.timing.timer import CycleTimer

__all__ = ["REGISTER_IDS", "Stop", "StopKind", "UnicornEngine"]

_THUMB: Final = 1
_SAVED: Final = tuple(f"r{i}" for i in range(15))
# ITSTATE, where xPSR has it (B1.4.2).
XPSR_IT: Final = 0x0600_FC00

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


class UnicornEngine:
    """One Cortex-M7 core with memory."""

    def __init__(self) -> None:
        self._uc = Uc(
            unicorn_const.UC_ARCH_ARM,
            unicorn_const.UC_MODE_THUMB | unicorn_const.UC_MODE_MCLASS,
            arm_const.UC_CPU_ARM_CORTEX_M7,
        )
        numbers = [REGISTER_IDS[f"r{i}"] for i in range(16)]
        self._handle: int = self._uc._uch.value
        self.registers = Registers(self._uc._uch)
        self.counter = InstructionCounter(uclib, self._handle, numbers)
        self.timer: CycleTimer | None = None
        self.memory: MemoryModel | None = None
        self.counts_cycles = False
        # Where the block that runs is cut for a floating-point instruction, not for an event.
        self._fpu_stop: int | None = None
        # ... and where it is cut for an event.
        self._event_stop: int | None = None
        self._bad_access: _BadAccess | None = None
        self._interrupt: int | None = None
        self._is_running = self._code_is_stale = self._hooks_have_changed = False
        # Stores to memory mapped as read-only: (address, data), and whether one was taken.
        self.store_to_read_only: Callable[[int, bytes], bool] = lambda _address, _data: False
        self._hooks = InstructionHooks(self._uc, self.counter)
        self.mpu: Mpu | None = None
        self._protecting: Hook | None = None
        self._traps_unaligned = False
        self._watchpoints = Watchpoints(self._hooks, self.counter)
        self._uc.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self._on_bad_access)
        self._uc.hook_add(unicorn_const.UC_HOOK_INTR, self._on_interrupt)

    def close(self) -> None:
        """Free the core. The engine can't be used afterwards."""
        del self._uc

    # Memory.

    def map_memory(self, base: int, buffer: ctypes.Array[ctypes.c_char], *, writable: bool) -> None:
        """Put a host buffer at `base`; the same buffer may stand at several addresses."""
        permissions = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_EXEC
        if writable:
            permissions |= unicorn_const.UC_PROT_WRITE
        size = ctypes.sizeof(buffer)
        try:
            self._uc.mem_map_ptr(base, size, permissions, ctypes.addressof(buffer))
        except UcError as exc:
            raise DeviceError(
                f"the emulator cannot map {size} bytes at {base:#x} ({exc}); "
                "memory must start and end at a multiple of 1 KiB"
            ) from exc

    def map_registers(
        self,
        space: range,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
    ) -> None:
        """Serve the addresses of `space` by read(offset, size) and write(offset, size, value)."""
        self._hooks.map_registers(space, read, write)

    def code_changed(self, address: int, size_bytes: int) -> None:
        """The host wrote memory: drop translations of code that lay there."""
        if not self.counter.holds_code(address, size_bytes):
            return
        if self._is_running:  # a program that programs flash: what runs can't be dropped now
            self._code_is_stale = True
            self._uc.emu_stop()
        else:
            self._drop_translations()

    def code_is_to_be_translated_anew(self) -> None:
        """From within a callback: end the run behind this instruction, then drop translations."""
        self._hooks_have_changed = True
        self.counter.end_soon()

    def _drop_translations(self) -> None:
        self._code_is_stale = False
        self._uc.ctl_flush_tb()
        self.counter.forget()
        if self.timer is not None:
            self.timer.forget_code()
        if self.memory is not None:
            self.memory.forget_code()

    def left_of_it_block(self) -> int:
        """How many instructions from pc on belong to an IT block that has begun before (A7.3.3)."""
        return self._hooks.left_of_it_block()

    # Registers.

    def accesses_unprivileged(self) -> bool:
        """Whether the access that a register callback serves is that of LDRT, STRT or the like."""
        code = bytes(self._uc.mem_read(self._hooks.here(), 4))
        # A6.3.8 and A6.3.10.
        return code[1] & 0xFE == 0xF8 and not code[0] & 0x80 and code[3] & 0x0F == 0x0E

    def read_register(self, name: str) -> int:
        """Return a register by its name in REGISTER_IDS."""
        return self.registers.read(name)[0]

    def clear_it_state(self) -> None:
        """Nothing that follows is conditional: at the entry of an exception (B1.5.6).

        And after a store that the host takes: Unicorn restores ITSTATE for the callback, and its
        translated code neither uses nor clears it until the next block begins.
        """
        status = self.read_register("xpsr")
        if status & XPSR_IT:
            self.write_register("xpsr", status & ~XPSR_IT)

    def write_register(self, name: str, value: int) -> None:
        """Set a register by its name in REGISTER_IDS."""
        self.registers.write((name,), (value,))

    @property
    def in_thumb_state(self) -> bool:
        """EPSR.T: clear after a branch to an even address."""
        return bool(self._uc.reg_read(arm_const.UC_ARM_REG_CPSR) & 1 << 5)

    def enable_timing(self) -> CycleTimer:
        """Price each block with the pipeline model from now on."""
        self.timer = CycleTimer(self.counter, lambda at, size: bytes(self._uc.mem_read(at, size)))
        self.timer.left_of_it_block = self._hooks.left_of_it_block
        self.counter.attach_timer(self.timer.pointer)
        return self.timer

    def enable_memory_timing(self, platform: Platform) -> MemoryModel:
        """Add waits for memory behind caches; enable_timing() comes first."""
        assert self.timer is not None
        self.memory = MemoryModel(platform, self.counter, self.timer.pointer)
        self.timer.attach_memory(self.memory)
        self._hooks.memory = self.memory
        self.counter.inspect_new_blocks()
        return self.memory

    def add_mpu(self, regions: int) -> Mpu:
        """Have accesses and execution denied as the unit's registers say."""
        self.mpu = Mpu(self.counter, regions)
        self.mpu.on_change = self._follow_mpu
        self._hooks.on_control_write = self.mpu.expect_unprivileged
        return self.mpu

    def check_alignment(self, *, multiple: bool, single: bool) -> None:
        """Have unaligned accesses of several words stop the run, or of single ones as well."""
        self.counter.check_alignment(multiple=multiple, single=single)
        self._traps_unaligned = single
        self._follow_mpu()

    def _follow_mpu(self) -> None:
        """Look at every access as long as one may be denied, or unaligned."""
        assert self.mpu is not None
        looks = self.mpu.may_deny_data or self._traps_unaligned
        if looks == (self._protecting is not None):
            return
        if self._protecting is None:
            kinds = unicorn_const.UC_HOOK_MEM_READ | unicorn_const.UC_HOOK_MEM_WRITE
            self._protecting = self._hooks.add(
                kinds, "usim_on_access_protected", EVERYWHERE, self.mpu.pointer
            )
        else:
            self._hooks.remove(self._protecting)
            self._protecting = None
        if self._is_running:
            self.code_is_to_be_translated_anew()
        else:
            self._uc.ctl_flush_tb()

    def account_access(self, address: int, size_bytes: int, *, is_write: bool) -> None:
        """The core accesses memory by itself: it may have to wait."""
        if self.memory is not None:
            self.memory.access(address, size_bytes, is_write=is_write)

    def time_now(self) -> int:
        """Cycles before the current instruction, or instructions where only those are counted.

        Exact inside register callbacks too.
        """
        if self.timer is None or not self.counts_cycles:
            return self.counter.executed_before(self._hooks.here())
        return self.timer.cycles_before(
            self._hooks.here(), executing=self._hooks.is_serving_register
        )

    def executed_now(self) -> int:
        """Instructions executed before the current one; exact inside register callbacks too."""
        return self.counter.executed_before(self._hooks.here())

    def here(self) -> int:
        """The instruction that runs; exact inside register callbacks too."""
        return self._hooks.here()

    def skip(self, time: int, instructions: int) -> None:
        """Let code pass that need not be executed, as what it does is known."""
        self.counter.skip(instructions)
        if self.timer is not None:
            self.timer.skip(time)

    @property
    def pc(self) -> int:
        """The address of the next instruction."""
        return self.read_register("pc") & ~1

    @property
    def is_privileged(self) -> bool:
        """Whether what runs is a handler or a privileged thread."""
        return self.read_register("ipsr") != 0 or not self.read_register("control") & 1

    @property
    def accessing_pc(self) -> int:
        """The instruction that runs, exact inside register callbacks too."""
        return self._hooks.here()

    def jump(self, address: int, *, thumb: bool = True) -> None:
        """Set pc from outside of the program: what the pipeline held is gone.

        Without `thumb`, EPSR.T is clear, and the next instruction a fault.
        """
        self.write_register("pc", address | _THUMB if thumb else address & ~_THUMB)
        if self.timer is not None:
            self.timer.interrupt(0)

    def _rewind_to(self, pc: int) -> None:
        self.counter.rewind_to(pc)
        if self.timer is not None:
            self.timer.rewind_to(pc)

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
        end = self.counter.executed + budget
        while True:
            if not self.in_thumb_state:
                return Stop(StopKind.UNDEFINED, self.pc)
            self._hooks.hook_late_accesses()
            self.counter.arm(stop_address, max(end - self.counter.executed, 0))
            self._executed_before_run = self.counter.executed
            self._bad_access = self._interrupt = None
            error = self._start()
            self._hooks.forget_stop()
            if self.timer is not None:
                self.timer.raise_failure()
            stop = self._explain(error)
            if self._code_is_stale:
                self._drop_translations()
                if stop is not None and stop.kind is StopKind.SLEEP:
                    continue  # it stopped for this, not to sleep
            if stop is not None and not (stop.kind is StopKind.SLICE and self._goes_on(end)):
                return stop

    def _goes_on(self, end: int) -> bool:
        """Whether a run that ended like a slice did so for hooks to be set, and is not over."""
        changed, self._hooks_have_changed = self._hooks_have_changed, False
        if changed:
            self._uc.ctl_flush_tb()
        return (self._hooks.hook_late_accesses() or changed) and self.counter.executed < end

    def _start(self) -> UcError | None:
        self._is_running = True
        try:
            # No address is odd, so Unicorn's own `until` never matches.
            self._uc.emu_start(self.read_register("pc") | _THUMB, 0xFFFF_FFFF)
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
        pc = self.read_register("pc")
        if error is not None:
            return self._stop_at_error(error, pc)
        if not self.in_thumb_state:
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
        before_block: dict[StopReason, Callable[[], Stop | None]] = {
            StopReason.NEW_BLOCK: self._inspect_block,
            StopReason.EVENT_INSIDE: self._stop_at_event,
            StopReason.USES_FPU: self._stop_at_fpu,
        }
        if reason in before_block:
            return before_block[reason]()
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
        self.write_register("pc", pc | _THUMB)
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
