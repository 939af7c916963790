"""A Cortex-M7 with what belongs to the core: NVIC, SysTick, MPU, FPU, caches, system registers.

The chip around it (memories, peripherals) is the device's; see `embedded.py`.
"""

from __future__ import annotations

from typing import Final

from usim.devices.base import Timing
from usim.devices.cache_registers import CacheRegisters
from usim.devices.chip_bus import ChipBus, Serve, Take
from usim.devices.exception_frames import Memory
from usim.devices.exceptions import ExceptionModel
from usim.devices.execution import Execution
from usim.devices.fpu_registers import FpuRegisters
from usim.devices.nvic import SYSTICK, Nvic, NvicLine
from usim.devices.nvic_registers import STIR, NvicRegisters
from usim.devices.polling import Polling
from usim.devices.stops import StopKind
from usim.devices.system_control import SystemControl
from usim.devices.system_registers import BASE, CCR, CPACR, SystemRegisters
from usim.devices.systick import SYST_CVR, SysTick
from usim.devices.unicorn_engine import UnicornEngine
from usim.platforms import Platform

# CCR.
_USERSETMPEND: Final = 1 << 1
_UNALIGN_TRP: Final = 1 << 3
_CLEARED_BY_RESET: Final = (
    *(f"r{i}" for i in range(13)),
    "control",
    "primask",
    "basepri",
    "faultmask",
    "fpscr",
    "msp",
    "psp",
    "ipsr",
    "xpsr",
)


class CortexM7:
    """One core. `memory` is how it accesses frames and vectors by itself."""

    def __init__(self, platform: Platform, timing: Timing, memory: Memory) -> None:
        self.engine = engine = UnicornEngine()
        if timing != "count":
            engine.enable_timing()
            engine.counts_cycles = True
            engine.counter.count_cycles()
        self.system = system = SystemRegisters(
            lambda: engine.time_now() + self.execution.counted_sleep,
            lambda on: engine.counter.set_divide_trap(enabled=on),
        )
        self.nvic = nvic = Nvic(platform.core.interrupts)
        self.mpu = engine.add_mpu(platform.core.mpu_regions)
        self._fpu = FpuRegisters(double_precision=platform.core.fpu == "fpv5-d16")
        self._caches = CacheRegisters(
            engine.enable_memory_timing(platform) if timing == "full" else None
        )
        self.execution = Execution(engine, system, nvic)
        self.exceptions = ExceptionModel(engine, memory, system, nvic, self._fpu)
        self.execution.attach(self.exceptions)
        self._systick = SysTick(self.execution.events, lambda: nvic.pend(SYSTICK))
        self._attach_units()

    def _attach_units(self) -> None:
        engine, system, execution = self.engine, self.system, self.execution
        control = SystemControl(
            self.nvic,
            lambda: engine.read_register("ipsr"),
            execution.software_reset,
        )
        nvic_registers = NvicRegisters(self.nvic)
        for unit in (self._caches, self._fpu, self._systick, self.mpu, control, nvic_registers):
            system.attach(unit)
        system.courses[SYST_CVR] = self._systick.course
        system.on_write[CCR] = self._follow_control
        system.on_write[CPACR] = lambda _: execution.follow_fpu()
        self._fpu.on_change = execution.follow_fpu

    def reset(self) -> None:
        """As after a reset; the counts go on, and what others have scheduled stays."""
        engine = self.engine
        # Handler mode first: Unicorn lets no unprivileged thread change these.
        engine.write_register("ipsr", 1)
        for name in _CLEARED_BY_RESET:
            engine.write_register(name, 0)
        engine.write_register("lr", 0xFFFF_FFFF)
        engine.write_register("pc", 1)
        if engine.timer is not None:
            engine.timer.restart()
        self.execution.reset()
        self.system.reset()
        for unit in (self._caches, self._fpu, self.mpu, self._systick, self.nvic):
            unit.reset()
        self.exceptions.heeds_cpacr = False
        self.engine.check_alignment(multiple=False, single=False)
        self.execution.follow_fpu()

    def _follow_control(self, ccr: int) -> None:
        self._caches.follow_control(ccr)
        self.engine.check_alignment(
            multiple=self.exceptions.heeds_cpacr, single=bool(ccr & _UNALIGN_TRP)
        )

    def be_strict(self) -> None:
        """As a chip is to a program that brings its own start-up code, until the next reset.

        The floating-point unit is off until CPACR has it on, and LDM, STM, LDRD, STRD, VLDR and
        VSTR of unaligned addresses fault.
        """
        self.exceptions.heeds_cpacr = True
        self.execution.follow_fpu()
        self._follow_control(self.system.value(CCR))

    def interrupt_line(self, number: int) -> NvicLine:
        """An input of the NVIC."""
        return NvicLine(self.nvic, number)

    def connect(self, bus: ChipBus, polling: Polling) -> None:
        """Have the core's accesses to registers, and stores to flash, served by `bus`, watched."""
        self.execution.polling = polling
        self.engine.store_to_read_only = polling.watch_flash(bus.store_to_flash)
        courses = bus.courses()
        for space, read, write in bus.register_spaces():
            counted_read = self.engine.counting.watch(space.start, read, courses)
            accesses = polling.watch(space.start, counted_read, write)
            if BASE in space:
                accesses = self._privileged_only(*accesses)
            self.engine.map_registers(space, *accesses)

    def _privileged_only(self, read: Serve, write: Take) -> tuple[Serve, Take]:
        """The system space faults for unprivileged code (B3.2.1), but STIR with USERSETMPEND."""

        def guarded_read(offset: int, size_bytes: int) -> int:
            if self._is_denied(BASE + offset):
                self.engine.refuse_access(StopKind.READ, BASE + offset)
                return 0
            return read(offset, size_bytes)

        def guarded_write(offset: int, size_bytes: int, value: int) -> None:
            if self._is_denied(BASE + offset):
                self.engine.refuse_access(StopKind.PRECISE_WRITE, BASE + offset)
            else:
                write(offset, size_bytes, value)

        return guarded_read, guarded_write

    def _is_denied(self, address: int) -> bool:
        if not self.mpu.expects_unprivileged:
            return False
        if self.engine.is_privileged and not self.engine.accesses_unprivileged():
            return False
        return not (address == STIR and self.system.value(CCR) & _USERSETMPEND)
