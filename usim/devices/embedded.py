"""The embedded device: a Cortex-M7 in this process, built from the platform's description.

Memory comes from the platform's Renode file, so that both tell of the same machine; regions' kinds
come from platform.yaml.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Final

from usim.devices.base import COUNT_KINDS, Capabilities, Device, Timing
from usim.devices.chip_bus import ChipBus
from usim.devices.cortex_m7 import CortexM7
from usim.devices.events import EventQueue
from usim.devices.exception_names import exception_name
from usim.devices.flash_timing import FlashTiming
from usim.devices.host_memory import FlashCells, HostMemory
from usim.devices.peripherals import (
    USART_TYPE,
    ChipPeripherals,
    ResetCause,
    build_peripherals,
)
from usim.devices.peripherals.rcc import ResetAndClockControl
from usim.devices.peripherals.usart import Usart
from usim.devices.polling import Polling
from usim.devices.run_until import run_until
from usim.devices.system_registers import CFSR, DFSR, VTOR, DebugUnit
from usim.devices.unicorn_engine import REGISTER_IDS, Stop, UnicornEngine
from usim.errors import DeviceError, ProtectionError
from usim.formatting import format_address
from usim.platforms import Platform
from usim.repl import PlatformFile, read_repl
from usim.timing.counter import Watchpoint
from usim.timing.memory import CacheUse
from usim.timing.timer import CycleTimer

_ERASED_FLASH: Final = b"\xff"


class EmbeddedDevice(Device):
    """Unicorn with the Cortex-M7 model, exceptions, system registers and DWT."""

    def __init__(self, platform: Platform, timing: Timing = "count") -> None:
        super().__init__(platform)
        self._timing = timing
        self._core_or_none: CortexM7 | None = None
        self._reset_cause = ResetCause.PIN

    @property
    def capabilities(self) -> Capabilities:
        """Counts instructions; faults are exact."""
        return Capabilities(
            count=COUNT_KINDS[self._timing],
            writes_flash=True,
            simulated=True,
            speed="fast",
            exact_store_faults=True,
            has_caches=self._timing == "full",
            usarts=tuple(entry.name for entry in self._machine.of_type(USART_TYPE)),
        )

    def open(self) -> None:
        """Build the machine; memory is zero, flash erased."""
        self.close()
        core = CortexM7(self.platform, self._timing, self)
        self._map_memories(core.engine)
        self._build_chip(core)
        self._core_or_none = core
        self._reset(ResetCause.POWER_ON)

    def close(self) -> None:
        """Free the machine."""
        if self._core_or_none is not None:
            self._core_or_none.engine.close()
            self._core_or_none = None

    # For profiles and firmware: one slice at a time, with what happened in it.

    def boot(
        self, vector_table: int, *, cause: ResetCause | None = None, fpu_on: bool = False
    ) -> None:
        """Reset with VTOR, stack pointer and pc from this vector table (B1.5.5).

        Without `cause` it is a reset by the pin. With `fpu_on` the program need not switch the
        floating-point unit on, and may load several words from unaligned addresses.
        """
        self.transactions.runs += 1
        self._reset(cause or ResetCause.PIN)
        core = self.core
        if not fpu_on:
            core.be_strict()
        core.system.set_value(VTOR, vector_table)
        words = self.load(vector_table, 8)
        self.write_register("msp", int.from_bytes(words[:4], "little") & ~3)
        self.write_register("sp", int.from_bytes(words[:4], "little") & ~3)
        self.write_register("pc", int.from_bytes(words[4:], "little"))

    def follow_flash_interface(self) -> None:
        """Let reads of the flash take what FLASH_ACR says now, not what the platform states."""
        self._check_open()
        self._flash_timing.follow_registers()

    @property
    def reset_cause(self) -> ResetCause:
        """Who asked for the reset that a RESET stop is about."""
        return self._reset_cause

    @property
    def core(self) -> CortexM7:
        """The core with its own units; DeviceError before open()."""
        self._check_open()
        assert self._core_or_none is not None
        return self._core_or_none

    def _check_open(self) -> None:
        if self._core_or_none is None:
            raise DeviceError("the device is not open: call open() first")

    @property
    def chip(self) -> ChipPeripherals:
        """Peripherals, clocks and simulated time."""
        self._check_open()
        return self._chip

    def recorder(self) -> CycleTimer:
        """What records which blocks ran and who called whom; with timing "count" from now on."""
        engine = self.core.engine
        timer = engine.timer or engine.enable_timing()
        timer.keeps_replaced_code = True
        self.skip_polling(enabled=False)
        return timer

    def skip_polling(self, *, enabled: bool) -> None:
        """Whether loops that only wait for an event are counted and not run, as from open() on.

        Counts and results are the same, but what looks at each access sees fewer.
        """
        self._check_open()
        self._polling.enable(enabled=enabled)

    @property
    def executed_instructions(self) -> int:
        """Since open()."""
        return self.core.engine.counter.executed

    @property
    def skipped_instructions(self) -> int:
        """Of these, how many were counted and not run: rounds of loops that wait for an event."""
        self._check_open()
        return self._polling.skipped

    @property
    def counted(self) -> int:
        """What `capabilities.count` names, since open()."""
        engine = self.core.engine
        if self._timing == "count" or engine.timer is None:
            return engine.counter.executed
        return engine.timer.cycles

    @property
    def fault_status(self) -> int:
        """CFSR."""
        return self.core.system.value(CFSR)

    @property
    def cache_use(self) -> tuple[CacheUse, ...]:
        """Hits and misses of the caches since the reset; empty where they are not modelled."""
        memory = self.core.engine.memory
        return memory.use() if memory is not None else ()

    @property
    def events(self) -> EventQueue:
        """What is scheduled, in cycles (or instructions) since open(), sleep included."""
        return self.core.execution.events

    @property
    def now(self) -> int:
        """`counted`, and what the core has slept on top."""
        return self.events.now

    def exception_name(self, number: int) -> str:
        """For instance "SysTick", "IRQ 37 (usart1)"."""
        return exception_name(number, self._machine)

    @property
    def exceptions_entered(self) -> dict[int, int]:
        """How often each exception was entered since open(), by its number."""
        return dict(self.core.exceptions.entered)

    def run_slice(
        self, stop_address: int, instructions: int, *, takes_returns: bool = False
    ) -> Stop:
        """Run until `stop_address`, for `instructions` or so, or to what the host has to handle.

        Interrupts are taken and sleep is skipped on the way; faults and SVC are for
        take_exception(), and handlers' returns unless this `takes_returns`. SLEEP: nothing that is
        scheduled can wake the core. RESET: the program or a watchdog asks for one. HALTED: halt()
        was called. LockupError where an exception that is taken ends in one.
        """
        run = self.core.execution.run
        return run(stop_address & ~1, instructions, takes_returns=takes_returns)

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        """Have `run_slice` stop at these addresses too (REACHED)."""
        self.core.engine.set_breakpoints(addresses)

    def attach_debug(self, unit: DebugUnit) -> None:
        """Have accesses to the system space ask a debug unit first."""
        self.core.system.debug = unit

    def write_dwt(self, address: int, value: int) -> None:
        """Set DWT_CTRL or DWT_CYCCNT, whether they are locked or not."""
        self.core.system.dwt.set(address, value)

    def add_debug_status(self, bits: int) -> None:
        """Set bits of DFSR."""
        self.core.system.set_bits(DFSR, bits)

    def set_watchpoints(self, watchpoints: Sequence[Watchpoint]) -> None:
        """Have `run_slice` stop behind accesses of the program's to these (WATCHED)."""
        self.core.engine.set_watchpoints(watchpoints)

    def halt(self) -> None:
        """End the running slice with HALTED, from within a callback or an event."""
        self.core.execution.halt()

    def mask_interrupts(self, *, masked: bool) -> None:
        """Keep exceptions that wait from being taken, as DHCSR.C_MASKINTS does in a step."""
        self.core.execution.mask_interrupts(masked=masked)

    def wake(self) -> None:
        """Have the core leave WFI or WFE."""
        self.core.execution.wake()

    @property
    def is_asleep(self) -> bool:
        """Whether the core waits in WFI or WFE."""
        return self.core.execution.is_asleep

    def watch_exceptions(
        self, on_enter: Callable[[int, Stop], None], on_leave: Callable[[int], None]
    ) -> None:
        """Have each exception told when its handler is about to start, and when it is over.

        Until close(); others who asked for it go on being told.
        """
        self.core.exceptions.on_enter.append(on_enter)
        self.core.exceptions.on_leave.append(on_leave)

    @property
    def accessing_pc(self) -> int:
        """The instruction that accesses a register, from within a callback of the access."""
        return self.core.engine.accessing_pc

    def take_exception(self, stop: Stop) -> None:
        """Enter the exception that `stop` calls for, or return from it; LockupError if it can't."""
        self.core.execution.take(stop)

    # The bus as the chip's debug port sees it: memory, peripherals and the system space.

    def bus_read(self, address: int, size_bytes: int) -> bytes:
        """Read as a debug port does; registers in accesses of 1, 2 or 4 bytes, each made once.

        AccessError where nothing answers, and for flash that is protected from being read out.
        """
        self._check_open()
        return self._bus.read(address, size_bytes)

    def bus_write(self, address: int, data: bytes) -> None:
        """Write as a debug port does; registers in accesses of 1, 2 or 4 bytes, each made once.

        Flash is programmed as by the core's own stores, in the width of FLASH_CR.PSIZE. AccessError
        where nothing answers, and for flash while programming is not set up.
        """
        self._check_open()
        self._bus.write(address, data)

    @property
    def clocks(self) -> ResetAndClockControl | None:
        """The clock tree as software has set it up; None where the platform has no RCC."""
        return self.chip.clocks

    def usart_output(self, name: str) -> bytes:
        """What the program has sent on a USART since open(); it survives a reset."""
        return self._usart(name).sent

    def usart_input(self, name: str, data: bytes) -> None:
        """Send bytes to the program, one after another once its receiver is on."""
        self._usart(name).receive(data)

    def _usart(self, name: str) -> Usart:
        if name not in self.chip.usarts:
            raise self._no_usart(name)
        return self._chip.usarts[name]

    # The core's own accesses.

    def load(self, address: int, size_bytes: int) -> bytes:
        """The core's own read, for the exception model."""
        self._check(address, size_bytes, "read")
        self._refuse_denied(address, size_bytes, is_write=False)
        return self._read(address, size_bytes)

    def load_vector(self, address: int) -> bytes:
        """The core's read of a vector, by the default memory map (B3.5.1)."""
        self._check(address, 4, "read")
        return self._read(address, 4)

    def store(self, address: int, data: bytes) -> None:
        """The core's own write, for the exception model."""
        self._check(address, len(data), "write")
        self._refuse_denied(address, len(data), is_write=True)
        self._write(address, data)

    def _refuse_denied(self, address: int, size_bytes: int, *, is_write: bool) -> None:
        if self.core.mpu.denies(address, size_bytes, is_write=is_write):
            raise ProtectionError(
                f"the MPU denies access to {format_address(address)}",
                address=address,
                size_bytes=size_bytes,
            )

    @cached_property
    def _machine(self) -> PlatformFile:
        return read_repl(self.platform.repl_path)

    def _map_memories(self, engine: UnicornEngine) -> None:
        self._memory = HostMemory(self.platform, engine.code_changed)
        for peripheral in self._machine.memories():
            if peripheral.size_bytes is None:
                continue
            region = self.platform.region_at(peripheral.addresses[0])
            flash = region is not None and region.kind == "flash"
            buffer = ctypes.create_string_buffer(peripheral.size_bytes)
            if flash:
                ctypes.memset(buffer, _ERASED_FLASH[0], peripheral.size_bytes)
            for address in peripheral.addresses:
                engine.map_memory(address, buffer, writable=not flash)
                self._memory.add(address, buffer)

    def _build_chip(self, core: CortexM7) -> None:
        flash = next(
            (r for r in self.platform.regions if r.kind == "flash" and not r.alias_of), None
        )
        cells = FlashCells(self._memory, flash.base) if flash else None
        hse_hz, events = self.platform.external_clock_hz, core.execution.events
        self._chip = chip = build_peripherals(
            self._machine, cells, hse_hz, events, core.interrupt_line
        )
        chip.reset_request.on_request = self._request_reset
        core.execution.on_reset_request = lambda: self._request_reset(ResetCause.SOFTWARE)
        core.execution.counts_sleep = lambda: chip.debugs_sleep
        if chip.exti is not None:
            chip.exti.on_event = lambda _line: core.execution.send_event()
        self._flash_timing = FlashTiming(chip, core.engine.memory)
        chip.masters.connect(self._memory, chip.bus)
        self._bus = ChipBus(self.platform, self._memory, core.system, chip)
        self._polling = Polling(core.engine, events, self._memory, self._bus.changes_with_time)
        core.connect(self._bus, self._polling)

    def _request_reset(self, cause: ResetCause) -> None:
        self._reset_cause = cause
        self.core.execution.request_reset()

    def _reset(self, cause: ResetCause = ResetCause.PIN) -> None:
        self.core.reset()
        self._chip.reset(cause)
        self._flash_timing.set_nominal(self.platform.flash.wait_states)

    def _read(self, address: int, size_bytes: int) -> bytes:
        self._check_open()
        return self._memory.read(address, size_bytes)

    def _write(self, address: int, data: bytes) -> None:
        self._check_open()
        self._memory.write(address, data)

    def _read_register(self, name: str) -> int:
        self._check_register(name)
        return self.core.engine.read_register(name)

    def _write_register(self, name: str, value: int) -> None:
        self._check_register(name)
        if name in {"pc", "r15"}:
            self.core.engine.jump(value)
        else:
            self.core.engine.write_register(name, value)

    def _check_register(self, name: str) -> None:
        if name not in REGISTER_IDS:
            raise DeviceError(f"no register {name!r}; there are {', '.join(REGISTER_IDS)}")

    def _run_until(self, address: int, timeout_s: float) -> None:
        run_until(self.core.execution, address, timeout_s)
