"""Unicorn's Cortex-M7 as a core with memory: registers, timing, counting, protection.

What runs on it, and why it stopped, is in `unicorn_engine.py`; what Unicorn leaves out of an
M-profile core (exceptions, system registers) in `exceptions.py` and `system_registers.py`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

from unicorn import Uc, UcError, arm_const, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from usim.devices.counting_registers import CountingRegisters
from usim.devices.instruction_hooks import InstructionHooks
from usim.devices.mpu import Mpu
from usim.devices.registers import REGISTER_IDS, Registers
from usim.devices.unicorn_hooks import EVERYWHERE, Hook
from usim.errors import DeviceError
from usim.platforms import Platform
from usim.timing.counter import InstructionCounter
from usim.timing.memory import MemoryModel
from usim.timing.timer import CycleTimer
from usim.timing.waiting import LoopFinder

THUMB: Final = 1
# ITSTATE, where xPSR has it (B1.4.2).
XPSR_IT: Final = 0x0600_FC00
XPSR_T: Final = 1 << 24


class UnicornCore:
    """One core and its memory; `UnicornEngine` runs it."""

    def __init__(self) -> None:
        self._uc = Uc(
            unicorn_const.UC_ARCH_ARM,
            unicorn_const.UC_MODE_THUMB | unicorn_const.UC_MODE_MCLASS,
            arm_const.UC_CPU_ARM_CORTEX_M7,
        )
        numbers = [REGISTER_IDS[f"r{i}"] for i in range(16)]
        self._handle: int = self._uc._uch.value
        self.registers = Registers(self._handle)
        self.counter = InstructionCounter(uclib, self._handle, numbers)
        self.loop_finder = LoopFinder(self.counter, [*numbers[:15], REGISTER_IDS["xpsr"]])
        self.timer: CycleTimer | None = None
        self.memory: MemoryModel | None = None
        self.counts_cycles = False
        self._is_running = self._code_is_stale = self._hooks_have_changed = False
        # Stores to memory mapped as read-only: (address, data), and whether one was taken.
        self.store_to_read_only: Callable[[int, bytes], bool] = lambda _address, _data: False
        self.mpu: Mpu | None = None
        self.counting = CountingRegisters(
            self.counter,
            self.time_now,
            lambda: self.mpu is not None and self.mpu.expects_unprivileged,
        )
        self._hooks = InstructionHooks(self._uc, self.registers, self.counter, self.counting)
        self._protecting: Hook | None = None
        self._traps_unaligned = False

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
        self.counting.forget_code()
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
        return bool(self.read_register("xpsr") & XPSR_T)

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
        if not self._is_running:
            # What a run has not executed is taken back at its end. Where pc is tells nothing then:
            # a loop may go on in the middle of the block that has just ended.
            return self.time_behind_block()
        if self.timer is None or not self.counts_cycles:
            return self.executed_now()
        return self.timer.cycles_before(self._hooks.here())

    def time_behind_block(self) -> int:
        """The same at the end of the current block."""
        if self.timer is None or not self.counts_cycles:
            return self.counter.executed
        return self.timer.cycles

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
        self.write_register("pc", address | THUMB if thumb else address & ~THUMB)
        if self.timer is not None:
            self.timer.interrupt(0)

    def _rewind_to(self, pc: int) -> None:
        self.counter.rewind_to(pc)
        if self.timer is not None:
            self.timer.rewind_to(pc)
