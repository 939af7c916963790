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

from usim.devices.instruction_hooks import InstructionHooks
from usim.devices.stops import INTERRUPTS, KINDS, NOT_EXECUTED, Stop, StopKind
from usim.devices.watchpoints import Watchpoints
from usim.errors import DeviceError
from usim.platforms import Platform
from usim.timing.counter import InstructionCounter, StopReason, Watchpoint
from usim.timing.memory import MemoryModel
from usim.timing.timer import CycleTimer

__all__ = ["REGISTER_IDS", "Stop", "StopKind", "UnicornEngine"]

_THUMB: Final = 1
# ITSTATE, where xPSR has it (B1.4.2).
XPSR_IT: Final = 0x0600_FC00

REGISTER_IDS: Final[dict[str, int]] = {
    **{f"r{i}": getattr(arm_const, f"UC_ARM_REG_R{i}") for i in range(13)},
    "r13": arm_const.UC_ARM_REG_SP,
    "r14": arm_const.UC_ARM_REG_LR,
    "r15": arm_const.UC_ARM_REG_PC,
    "sp": arm_const.UC_ARM_REG_SP,
    "lr": arm_const.UC_ARM_REG_LR,
    "pc": arm_const.UC_ARM_REG_PC,
    "msp": arm_const.UC_ARM_REG_MSP,
    "psp": arm_const.UC_ARM_REG_PSP,
    "xpsr": arm_const.UC_ARM_REG_XPSR,
    "ipsr": arm_const.UC_ARM_REG_IPSR,
    "control": arm_const.UC_ARM_REG_CONTROL,
    "primask": arm_const.UC_ARM_REG_PRIMASK,
    "basepri": arm_const.UC_ARM_REG_BASEPRI,
    "faultmask": arm_const.UC_ARM_REG_FAULTMASK,
    "fpscr": arm_const.UC_ARM_REG_FPSCR,
    **{f"s{i}": getattr(arm_const, f"UC_ARM_REG_S{i}") for i in range(32)},
}


# YIELD and WFE (A7.7), encodings T1 and T2. Unicorn ends them with an error, pc behind them.
_HINTS_T1: Final = (b"\x10\xbf", b"\x20\xbf")
_HINTS_T2: Final = (b"\xaf\xf3\x01\x80", b"\xaf\xf3\x02\x80")


@dataclass(frozen=True, slots=True)
class _BadAccess:
    kind: StopKind
    address: int
    pc: int
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
        self.counter = InstructionCounter(uclib, self._handle, numbers)
        self.timer: CycleTimer | None = None
        self.memory: MemoryModel | None = None
        self._bad_access: _BadAccess | None = None
        self._interrupt: int | None = None
        self._is_running = self._code_is_stale = False
        # Stores to memory mapped as read-only: (address, data), and whether one was taken.
        self.store_to_read_only: Callable[[int, bytes], bool] = lambda _address, _data: False
        self._hooks = InstructionHooks(self._uc, self.counter)
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

    def read_register(self, name: str) -> int:
        """Return a register by its name in REGISTER_IDS."""
        return int(self._uc.reg_read(REGISTER_IDS[name]))

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
        self._uc.reg_write(REGISTER_IDS[name], value & 0xFFFF_FFFF)

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

    def cycles_now(self) -> int:
        """Cycles before the current instruction; exact inside register callbacks too."""
        assert self.timer is not None
        return self.timer.cycles_before(self._hooks.here())

    def jump(self, address: int) -> None:
        """Set pc from outside of the program: what the pipeline held is gone."""
        self.write_register("pc", address | _THUMB)
        if self.timer is not None:
            self.timer.interrupt(0)

    def _rewind_to(self, pc: int) -> None:
        self.counter.rewind_to(pc)
        if self.timer is not None:
            self.timer.rewind_to(pc)

    def executed_now(self) -> int:
        """Instructions executed before the current one; exact inside register callbacks too."""
        return self.counter.executed_before(self._hooks.here())

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
        self._hooks.hook_late_accesses()
        while True:
            self.counter.arm(stop_address, budget)
            self._executed_before_run = self.counter.executed
            self._bad_access = self._interrupt = None
            error = self._start()
            if self.timer is not None:
                self.timer.raise_failure()
            stop = self._explain(error)
            if self._code_is_stale:
                self._drop_translations()
                if stop is not None and stop.kind is StopKind.SLEEP:
                    continue  # it stopped for this, not to sleep
            if stop is not None:
                return stop

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
        reason = self.counter.stop_reason
        if self.counter.stopped_inside and self.timer is not None:
            self.timer.rewind_to(pc)
        if reason is StopReason.INSIDE_IT_BLOCK:
            raise DeviceError(
                "the emulator cannot stop inside an IT block, which it runs as a whole, and ran on "
                f"to {pc:#010x}: stop before the block or behind it"
            )
        if reason is StopReason.NEW_BLOCK:
            self._hooks.inspect_block(*self.counter.block)
            return None
        watched = self._watchpoints.take_hit().address if reason is StopReason.WATCHED else 0
        return Stop(KINDS[reason], pc, watched)

    def _stop_at_bad_access(self, bad: _BadAccess) -> Stop:
        # After a store that faults, Unicorn finishes the block. The registers go back to where they
        # were; stores behind the faulting one stay done, as they may on a chip with a write buffer.
        for name, value in bad.registers.items():
            self.write_register(name, value)
        self.write_register("pc", bad.pc | _THUMB)
        self._rewind_to(bad.pc)
        return Stop(bad.kind, bad.pc, bad.address)

    def _stop_at_interrupt(self, number: int) -> Stop:
        pc = self.read_register("pc")
        kind = INTERRUPTS.get(number)
        if kind is None:
            raise DeviceError(f"the emulator raised an unknown event {number} at pc {pc:#010x}")
        if kind in NOT_EXECUTED:
            self._rewind_to(pc)
        return Stop(kind, pc, pc)

    def _has_hinted(self, pc: int) -> bool:
        """Whether what ran before `pc` was a hint, which does nothing here."""
        if self.counter.executed_before(pc) == self._executed_before_run:
            return False  # nothing ran: the instruction at pc itself is what is wrong
        try:
            before = bytes(self._uc.mem_read(pc - 4, 4))
        except UcError:
            return False
        return before in _HINTS_T2 or before[2:] in _HINTS_T1

    def _stop_at_error(self, error: UcError, pc: int) -> Stop:
        if error.errno == unicorn_const.UC_ERR_INSN_INVALID:
            if self._has_hinted(pc):
                return Stop(StopKind.SLICE, pc)
            self._rewind_to(pc)
            return Stop(StopKind.UNDEFINED, pc)
        raise DeviceError(f"the emulator failed at pc {pc:#010x}: {error}") from error

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
            registers = {f"r{i}": self.read_register(f"r{i}") for i in range(15)}
            self._bad_access = _BadAccess(
                kinds.get(access, StopKind.FETCH), address, self.read_register("pc"), registers
            )
        return False

    def _on_interrupt(self, uc: Uc, number: int, _data: object) -> None:
        self._interrupt = number
        uc.emu_stop()
