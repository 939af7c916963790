"""The embedded device: a Cortex-M7 in this process, built from the platform's description.

Memory comes from the platform's Renode file, so that both tell of the same machine; regions' kinds
come from platform.yaml. CYCCNT counts executed instructions, exactly.
"""

from __future__ import annotations

import ctypes
import logging
import time
from collections.abc import Iterator
from typing import Final

from usim.devices.base import Capabilities, CountKind, Device, Timing
from usim.devices.exceptions import ExceptionModel
from usim.devices.system_registers import BASE, CFSR, SIZE_BYTES, VTOR, SystemRegisters
from usim.devices.unicorn_engine import REGISTER_IDS, Stop, StopKind, UnicornEngine
from usim.errors import AccessError, DeviceError, DeviceTimeoutError
from usim.formatting import format_address
from usim.platforms import Platform
from usim.repl import read_repl
from usim.timing.memory import CacheUse
from usim.timing.timer import CycleTimer

_LOG = logging.getLogger(__name__)

# Between slices Python looks at the clock and at Ctrl-C; some 0.1 s of emulation.
_SLICE_INSTRUCTIONS: Final = 20_000_000
_COUNTS: Final[dict[Timing, CountKind]] = {
    "count": CountKind("instructions", "counted"),
    "core": CountKind("cycles", "modelled", "core"),
    "full": CountKind("cycles", "modelled", "full"),
}
_SYSTEM_SPACE: Final = range(BASE, BASE + SIZE_BYTES)
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
        # One buffer per memory, by every address at which it stands.
        self._memories: list[tuple[int, ctypes.Array[ctypes.c_char]]] = []

    @property
    def capabilities(self) -> Capabilities:
        """Counts instructions; faults are exact."""
        return Capabilities(
            count=_COUNTS[self._timing],
            writes_flash=True,
            simulated=True,
            speed="fast",
            exact_store_faults=True,
            has_caches=self._timing == "full",
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
        engine.map_registers(BASE, SIZE_BYTES, self._system.read, self._system.write)
        self._map_memories(engine)
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
            self._memories = []

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

    def halt(self) -> None:
        """End the running slice, from within a callback."""
        self._core().halt()

    def take_exception(self, stop: Stop) -> None:
        """Enter the exception that `stop` calls for, or return from it; LockupError if it can't."""
        self._exceptions.take(stop)

    # The bus as the chip's debug port sees it: memory, peripherals and the system space.

    def bus_read(self, address: int, size_bytes: int) -> bytes:
        """Read as a debug port does; a register takes one access of 1, 2 or 4 bytes each.

        AccessError where nothing answers.
        """
        self._core()
        if address in _SYSTEM_SPACE:
            return b"".join(
                self._system.read(at - BASE, width).to_bytes(width, "little")
                for at, width in _register_accesses(address, size_bytes)
            )
        return self._read(address, size_bytes)

    def bus_write(self, address: int, data: bytes) -> None:
        """Write as a debug port does; a register takes one access of 1, 2 or 4 bytes each.

        AccessError where nothing answers.
        """
        self._core()
        if address in _SYSTEM_SPACE:
            for at, width in _register_accesses(address, len(data)):
                value = data[at - address : at - address + width]
                self._system.write(at - BASE, width, int.from_bytes(value, "little"))
            return
        self._write(address, data)

    # The core's own accesses.

    def load(self, address: int, size_bytes: int) -> bytes:
        """The core's own read, for the exception model."""
        self._check(address, size_bytes, "read")
        return self._read(address, size_bytes)

    def store(self, address: int, data: bytes) -> None:
        """The core's own write, for the exception model."""
        self._check(address, len(data), "write")
        self._write(address, data)

    def _map_memories(self, engine: UnicornEngine) -> None:
        for peripheral in read_repl(self.platform.repl_path).memories():
            if peripheral.size_bytes is None:
                continue
            region = self.platform.region_at(peripheral.addresses[0])
            flash = region is not None and region.kind == "flash"
            buffer = ctypes.create_string_buffer(peripheral.size_bytes)
            if flash:
                ctypes.memset(buffer, _ERASED_FLASH[0], peripheral.size_bytes)
            for address in peripheral.addresses:
                engine.map_memory(address, buffer, writable=not flash)
                self._memories.append((address, buffer))

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

    def _pieces(self, address: int, size_bytes: int) -> list[tuple[int, int]]:
        """(host address, length) for each memory that [address, address + size) crosses."""
        self._core()
        pieces = []
        at, end = address, address + size_bytes
        while at < end:
            for base, buffer in self._memories:
                if base <= at < base + len(buffer):
                    length = min(end, base + len(buffer)) - at
                    pieces.append((ctypes.addressof(buffer) + at - base, length))
                    at += length
                    break
            else:
                raise AccessError(
                    f"{self.platform.repl_path.name} has no memory at {format_address(at)}; see "
                    f"`usim platforms check {self.platform.name}`",
                    address=at,
                    size_bytes=end - at,
                )
        return pieces

    def _read(self, address: int, size_bytes: int) -> bytes:
        return b"".join(ctypes.string_at(*piece) for piece in self._pieces(address, size_bytes))

    def _write(self, address: int, data: bytes) -> None:
        offset = 0
        for host_address, length in self._pieces(address, len(data)):
            ctypes.memmove(host_address, data[offset : offset + length], length)
            offset += length
            for base, buffer in self._memories:  # code may have run at any of its addresses
                start = host_address - ctypes.addressof(buffer)
                if 0 <= start < len(buffer):
                    self._core().code_changed(base + start, length)

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


def _register_accesses(address: int, size_bytes: int) -> Iterator[tuple[int, int]]:
    """The aligned accesses of at most a word that a transfer consists of."""
    at, end = address, address + size_bytes
    while at < end:
        width = next(width for width in (4, 2, 1) if at % width == 0 and at + width <= end)
        yield at, width
        at += width
