"""The embedded device: a Cortex-M7 in this process, built from the platform's description.

Memory comes from the platform's Renode file, so that both tell of the same machine; regions' kinds
come from platform.yaml. CYCCNT counts executed instructions, exactly.
"""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Final

from usim.devices.base import COUNT_KINDS, Capabilities, Device, Timing
from usim.devices.chip_bus import ChipBus
from usim.devices.exceptions import ExceptionModel
from usim.devices.host_memory import FlashCells, HostMemory
from usim.devices.peripherals import USART_TYPE, build_peripherals
from usim.devices.peripherals.rcc import ResetAndClockControl
from usim.devices.peripherals.usart import Usart
from usim.devices.system_registers import CFSR, DFSR, VTOR, DebugUnit, SystemRegisters
from usim.devices.unicorn_engine import REGISTER_IDS, Stop, StopKind, UnicornEngine
from usim.errors import DeviceError, DeviceTimeoutError
from usim.formatting import format_address
from usim.platforms import Platform
from usim.repl import PlatformFile, read_repl
from usim.timing.counter import Watchpoint
from usim.timing.memory import CacheUse
from usim.timing.timer import CycleTimer

_LOG = logging.getLogger(__name__)

# Between slices Python looks at the clock and at Ctrl-C; 0.02 to 0.1 s of emulation.
_SLICE_INSTRUCTIONS: Final = 5_000_000
_ERASED_FLASH: Final = b"\xff"
_CLEARED_BY_RESET: Final = (
    *(f"r{i}" for i in range(13)),
    "ipsr",
    "control",
    "primask",
    "basepri",
    "faultmask",
    "fpscr",
    "msp",
    "psp",
    "xpsr",
)


class EmbeddedDevice(Device):
    """Unicorn with the Cortex-M7 model, exceptions, system registers and DWT."""

    def __init__(self, platform: Platform, timing: Timing = "count") -> None:
        super().__init__(platform)
        self._timing = timing
        self._engine: UnicornEngine | None = None

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
        engine = UnicornEngine()
        if self._timing != "count":
            engine.enable_timing()
        self._system = SystemRegisters(
            engine.executed_now if self._timing == "count" else engine.cycles_now,
            lambda on: engine.counter.set_divide_trap(enabled=on),
        )
        self._map_memories(engine)
        self._map_registers(engine)
        self._engine = engine
        if self._timing == "full":
            self._system.caches = engine.enable_memory_timing(self.platform)
        self._exceptions = ExceptionModel(engine, self, self._system)
        self._reset()

    def close(self) -> None:
        """Free the machine."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    # For profiles: one slice at a time, with what happened in it.

    def boot(self, vector_table: int) -> None:
        """Reset with VTOR, stack pointer and pc from this vector table (B1.5.5)."""
        self.reset()
        self._system.set_value(VTOR, vector_table)
        words = self.load(vector_table, 8)
        self.write_register("msp", int.from_bytes(words[:4], "little") & ~3)
        self.write_register("sp", int.from_bytes(words[:4], "little") & ~3)
        self.write_register("pc", int.from_bytes(words[4:], "little"))

    def recorder(self) -> CycleTimer:
        """What records which blocks ran and who called whom; with timing "count" from now on."""
        engine = self._core()
        timer = engine.timer or engine.enable_timing()
        timer.keeps_replaced_code = True
        return timer

    @property
    def executed_instructions(self) -> int:
        """Since open()."""
        return self._core().counter.executed

    @property
    def counted(self) -> int:
        """What `capabilities.count` names, since open()."""
        engine = self._core()
        if self._timing == "count" or engine.timer is None:
            return engine.counter.executed
        return engine.timer.cycles

    @property
    def fault_status(self) -> int:
        """CFSR."""
        return self._system.value(CFSR)

    @property
    def cache_use(self) -> tuple[CacheUse, ...]:
        """Hits and misses of the caches since the reset; empty where they are not modelled."""
        memory = self._core().memory
        return memory.use() if memory is not None else ()

    def run_slice(self, stop_address: int, instructions: int) -> Stop:
        """Run until `stop_address`, for `instructions` or so, or to an event, which isn't taken."""
        return self._core().run(stop_address & ~1, instructions)

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        """Have `run_slice` stop at these addresses too (REACHED)."""
        self._core().set_breakpoints(addresses)

    def attach_debug(self, unit: DebugUnit) -> None:
        """Have accesses to the system space ask a debug unit first."""
        self._system.debug = unit

    def write_dwt(self, address: int, value: int) -> None:
        """Set DWT_CTRL or DWT_CYCCNT, whether they are locked or not."""
        self._system.dwt.set(address, value)

    def add_debug_status(self, bits: int) -> None:
        """Set bits of DFSR."""
        self._system.set_bits(DFSR, bits)

    def set_watchpoints(self, watchpoints: Sequence[Watchpoint]) -> None:
        """Have `run_slice` stop behind accesses of the program's to these (WATCHED)."""
        self._core().set_watchpoints(watchpoints)

    def halt(self) -> None:
        """End the running slice, from within a callback."""
        self._core().halt()

    def end_slice(self) -> None:
        """End the running slice before its next block, from within a callback; it says SLICE."""
        self._core().counter.spend_budget()

    def take_exception(self, stop: Stop) -> None:
        """Enter the exception that `stop` calls for, or return from it; LockupError if it can't."""
        self._exceptions.take(stop)

    # The bus as the chip's debug port sees it: memory, peripherals and the system space.

    def bus_read(self, address: int, size_bytes: int) -> bytes:
        """Read as a debug port does; registers in accesses of 1, 2 or 4 bytes, each made once.

        AccessError where nothing answers, and for flash that is protected from being read out.
        """
        self._core()
        return self._bus.read(address, size_bytes)

    def bus_write(self, address: int, data: bytes) -> None:
        """Write as a debug port does; registers in accesses of 1, 2 or 4 bytes, each made once.

        Flash is programmed as by the core's own stores, in the width of FLASH_CR.PSIZE. AccessError
        where nothing answers, and for flash while programming is not set up.
        """
        self._core()
        self._bus.write(address, data)

    @property
    def clocks(self) -> ResetAndClockControl | None:
        """The clock tree as software has set it up; None where the platform has no RCC."""
        self._core()
        return self._chip.clocks

    def usart_output(self, name: str) -> bytes:
        """What the program has sent on a USART since open(); it survives a reset."""
        return bytes(self._usart(name).sent)

    def usart_input(self, name: str, data: bytes) -> None:
        """Send bytes to the program; each waits until the program reads it."""
        self._usart(name).receive(data)

    def on_usart_byte(self, name: str, listener: Callable[[int], None]) -> None:
        """Have a listener told of each byte that has left a USART."""
        self._usart(name).on_byte = listener

    def _usart(self, name: str) -> Usart:
        self._core()
        if name not in self._chip.usarts:
            raise self._no_usart(name)
        return self._chip.usarts[name]

    # The core's own accesses.

    def load(self, address: int, size_bytes: int) -> bytes:
        """The core's own read, for the exception model."""
        self._check(address, size_bytes, "read")
        return self._read(address, size_bytes)

    def store(self, address: int, data: bytes) -> None:
        """The core's own write, for the exception model."""
        self._check(address, len(data), "write")
        self._write(address, data)

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

    def _map_registers(self, engine: UnicornEngine) -> None:
        flash = next(
            (r for r in self.platform.regions if r.kind == "flash" and not r.alias_of), None
        )
        cells = FlashCells(self._memory, flash.base) if flash else None
        self._chip = build_peripherals(self._machine, cells, self.platform.external_clock_hz)
        self._bus = ChipBus(self.platform, self._memory, self._system, self._chip)
        for space, read, write in self._bus.register_spaces():
            engine.map_registers(space, read, write)
        engine.store_to_read_only = self._bus.store_to_flash

    def _core(self) -> UnicornEngine:
        if self._engine is None:
            raise DeviceError("the device is not open: call open() first")
        return self._engine

    def _reset(self) -> None:
        engine = self._core()
        for name in _CLEARED_BY_RESET:
            engine.write_register(name, 0)
        engine.write_register("lr", 0xFFFF_FFFF)
        engine.write_register("pc", 1)
        if engine.timer is not None:
            engine.timer.restart()
        self._system.reset()
        self._chip.bus.reset()

    def _read(self, address: int, size_bytes: int) -> bytes:
        self._core()
        return self._memory.read(address, size_bytes)

    def _write(self, address: int, data: bytes) -> None:
        self._core()
        self._memory.write(address, data)

    def _read_register(self, name: str) -> int:
        self._check_register(name)
        return self._core().read_register(name)

    def _write_register(self, name: str, value: int) -> None:
        self._check_register(name)
        if name in {"pc", "r15"}:
            self._core().jump(value)
        else:
            self._core().write_register(name, value)

    def _check_register(self, name: str) -> None:
        if name not in REGISTER_IDS:
            raise DeviceError(f"no register {name!r}; there are {', '.join(REGISTER_IDS)}")

    def _run_until(self, address: int, timeout_s: float) -> None:
        engine = self._core()
        deadline = time.monotonic() + timeout_s
        while True:
            stop = engine.run(address, _SLICE_INSTRUCTIONS)
            if stop.kind is StopKind.REACHED:
                return
            if stop.kind not in {StopKind.SLICE, StopKind.SLEEP}:
                _LOG.debug("%s at %s", stop.kind.name, format_address(stop.pc))
                self._exceptions.take(stop)
            # Nothing here can wake a sleeping core, so sleep lasts until the deadline as well.
            if time.monotonic() >= deadline or stop.kind is StopKind.SLEEP:
                raise DeviceTimeoutError(
                    f"{format_address(address)} was not reached within {timeout_s:g} s; "
                    f"last pc {format_address(stop.pc)}"
                    + (
                        ", asleep (wfi) with no interrupt to come"
                        if stop.kind is StopKind.SLEEP
                        else ""
                    ),
                    pc=stop.pc,
                    timeout_s=timeout_s,
                )
