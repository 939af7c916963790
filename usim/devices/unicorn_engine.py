"""The CPU core: Unicorn's Cortex-M7 with native counting, our own memory, stops explained.

What Unicorn leaves out of an M-profile core (exceptions, system registers, traps) is not here but
in `exceptions.py` and `system_registers.py`; this module runs instructions and says why it stopped.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from unicorn import Uc, UcError, arm_const, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from usim.devices.stops import INTERRUPTS, KINDS, NOT_EXECUTED, Stop, StopKind
from usim.errors import DeviceError
from usim.platforms import Platform
from usim.timing.addresses import find_accesses
from usim.timing.counter import InspectReason, InstructionCounter, StopReason, divisions_in
from usim.timing.memory import MemoryModel
from usim.timing.timer import CycleTimer

__all__ = ["REGISTER_IDS", "Stop", "StopKind", "UnicornEngine"]

_THUMB: Final = 1

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
        self._stop_hooks: set[int] = set()
        self._register_space = range(0)
        self._serving_register = False
        self._unhooked_accesses: list[int] = []
        self._instruction_hooks: set[tuple[int, str]] = set()
        self._native_hook(unicorn_const.UC_HOOK_BLOCK, "usim_on_block", 1, 0)
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
        base: int,
        size_bytes: int,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
    ) -> None:
        """Serve [base, base + size) by read(offset, size) and write(offset, size, value)."""
        self._uc.mmio_map(
            base,
            size_bytes,
            lambda _uc, offset, size, _data: self._in_callback(read, offset, size),
            None,
            lambda _uc, offset, size, value, _data: self._in_callback(write, offset, size, value),
            None,
        )
        self._register_space = range(base, base + size_bytes)

    def code_changed(self, address: int, size_bytes: int) -> None:
        """The host wrote memory: drop translations of code that lay there."""
        if self.counter.holds_code(address, size_bytes):
            self._uc.ctl_flush_tb()
            self.counter.forget()
            if self.timer is not None:
                self.timer.forget_code()
            if self.memory is not None:
                self.memory.forget_code()

    def left_of_it_block(self) -> int:
        """How many instructions from pc on belong to an IT block that has begun before (A7.3.3)."""
        status = self._uc.reg_read(arm_const.UC_ARM_REG_CPSR)
        mask = status >> 25 & 0b11 | status >> 8 & 0b1100
        return 4 - (mask & -mask).bit_length() + 1 if mask else 0

    # Registers.

    def read_register(self, name: str) -> int:
        """Return a register by its name in REGISTER_IDS."""
        return int(self._uc.reg_read(REGISTER_IDS[name]))

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
        self.timer.left_of_it_block = self.left_of_it_block
        self.counter.attach_timer(self.timer.pointer)
        return self.timer

    def enable_memory_timing(self, platform: Platform) -> MemoryModel:
        """Add waits for memory behind caches; enable_timing() comes first."""
        assert self.timer is not None
        self.memory = MemoryModel(platform, self.counter, self.timer.pointer)
        self.timer.attach_memory(self.memory)
        self.counter.inspect_new_blocks()
        return self.memory

    def cycles_now(self) -> int:
        """Cycles before the current instruction; exact inside register callbacks too."""
        assert self.timer is not None
        return self.timer.cycles_before(self._here())

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
        return self.counter.executed_before(self._here())

    def _in_callback(self, serve: Callable[..., Any], *arguments: int) -> Any:  # noqa: ANN401
        self._serving_register = True
        try:
            return serve(*arguments)
        finally:
            self._serving_register = False

    def _here(self) -> int:
        """The instruction that runs. Inside a register callback Unicorn does not know it."""
        if not self._serving_register:
            return self.read_register("pc")
        if self.counter.accessing:
            return self.counter.accessing
        # A block that did not look as if it touched system registers when it was new. From the next
        # slice on its accesses are hooked; this once the count is that of the first of them.
        address, size_bytes = self.counter.block
        accesses = find_accesses(bytes(self._uc.mem_read(address, size_bytes)), address)
        places = sorted(place for place, _ in (*accesses.known, *accesses.at_instruction))
        self._unhooked_accesses += places
        return places[0] if places else address

    # Running.

    def halt(self) -> None:
        """End `run` from within a callback; it says SLEEP."""
        self._uc.emu_stop()

    def run(self, stop_address: int, budget: int) -> Stop:
        """Execute from pc until `stop_address`, `budget` instructions on or so, or an event."""
        self._watch(stop_address)
        self._hook_late_accesses()
        while True:
            self.counter.arm(stop_address, budget)
            self._executed_before_run = self.counter.executed
            self._bad_access = self._interrupt = None
            error: UcError | None = None
            try:
                # No address is odd, so Unicorn's own `until` never matches.
                self._uc.emu_start(self.read_register("pc") | _THUMB, 0xFFFF_FFFF)
            except UcError as exc:
                error = exc
            if self.timer is not None:
                self.timer.raise_failure()
            stop = self._explain(error)
            if stop is not None:
                return stop

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
            self._inspect_block(*self.counter.block)
            return None
        return Stop(KINDS[reason], pc)

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

    # Hooks.

    def _native_hook(
        self, kinds: int, callback: str, begin: int, end: int, data: int | None = None
    ) -> None:
        hook = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            ctypes.c_void_p(self._handle),
            ctypes.byref(hook),
            ctypes.c_int(kinds),
            ctypes.c_void_p(self.counter.callback(callback)),
            ctypes.c_void_p(self.counter.pointer if data is None else data),
            ctypes.c_uint64(begin),
            ctypes.c_uint64(end),
        )
        if status != unicorn_const.UC_ERR_OK:
            raise DeviceError(f"the emulator refused a hook: {UcError(status)}")

    def _watch(self, address: int) -> None:
        """Make sure that execution can stop at `address`, inside a block as well."""
        if address not in self._stop_hooks:
            self._stop_hooks.add(address)
            self._native_hook(unicorn_const.UC_HOOK_CODE, "usim_on_stop_address", address, address)
            self._uc.ctl_flush_tb()

    def _hook_late_accesses(self) -> None:
        for place in self._unhooked_accesses:
            if self._hook_once(place, "usim_on_register_access", self.counter.pointer):
                self._uc.ctl_remove_cache(place, place + 1)
        self._unhooked_accesses = []

    def _inspect_block(self, address: int, size_bytes: int) -> None:
        """Hook what needs a look when it runs, then have the block translated anew."""
        code = bytes(self._uc.mem_read(address, size_bytes))
        hooked = [
            self._hook_once(division, "usim_on_division", self.counter.pointer)
            for division in divisions_in(code, address)
        ]
        if self.counter.inspect_reasons & (InspectReason.REGISTERS | InspectReason.POINTERS):
            hooked += [
                self._hook_once(place, "usim_on_register_access", self.counter.pointer)
                for place in self._register_accesses(code, address)
            ]
        if self.memory is not None:
            hooked += [
                self._hook_once(point, "usim_on_access", self.memory.pointer)
                for point in self.memory.points_of(code, address, self.left_of_it_block())
            ]
        if any(hooked):
            self._uc.ctl_remove_cache(address, address + size_bytes)

    def _register_accesses(self, code: bytes, address: int) -> list[int]:
        """Instructions of a block that access system registers; if it makes pointers, that may."""
        accesses = find_accesses(code, address)

        terms = accesses.terms(lambda number: self.read_register(f"r{number}"), self._peek)
        known = [
            place
            for place, access in accesses.known
            if access.address.value(terms) in self._register_space
        ]
        if InspectReason.REGISTERS in self.counter.inspect_reasons:
            known += [place for place, _ in accesses.at_instruction]
        return known

    def _peek(self, address: int, size_bytes: int) -> int:
        """A value in memory; 0 for what is none, registers included, which a read may change."""
        if address in self._register_space:
            return 0
        try:
            return int.from_bytes(self._uc.mem_read(address, size_bytes), "little")
        except UcError:
            return 0

    def _hook_once(self, instruction: int, callback: str, data: int) -> bool:
        key = instruction, callback
        if key in self._instruction_hooks:
            return False
        self._instruction_hooks.add(key)
        self._native_hook(unicorn_const.UC_HOOK_CODE, callback, instruction, instruction, data)
        return True

    def _on_bad_access(
        self, _uc: Uc, access: int, address: int, _size: int, _value: int, _data: object
    ) -> bool:
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
