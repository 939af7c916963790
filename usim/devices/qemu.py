"""The QEMU device: the machine mps2-an500, a Cortex-M7, in a process of ours over its gdb stub.

platforms/mps2-an500 says what memory the machine has. At other addresses its gdb stub answers OK
to a write that is lost, so this device refuses them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from usim.devices.base import Capabilities, Counter, CountKind, Device, Timing
from usim.devices.gdb_remote import GdbRemote, LinkClosedError
from usim.devices.qemu_process import COMMAND, QemuProcess
from usim.errors import AccessError, DeviceError, DeviceTimeoutError, LockupError
from usim.formatting import format_address
from usim.platforms import Platform, format_range, load_platform

_T = TypeVar("_T")
MACHINE: Final = "mps2-an500"
# Virtual time follows the instructions, 2^7 ns each, so that a run does not depend on the host.
_OPTIONS: Final = ("-M", MACHINE, "-accel", "tcg,thread=single", "-icount", "shift=7,sleep=off")
# The board's cycle counter (QEMU 7.2, hw/misc/mps2-fpgaio.c, COUNTER) advances at 25 MHz, so by
# 3.2 ticks an instruction: enough to tell n from n + 1. It wraps after 1.3 thousand million.
_COUNTER: Final = Counter(0x4002_8018, counts=5, ticks=16)
_XPSR_T: Final = 1 << 24
_XPSR_IT: Final = 0x0600_FC00
# What QEMU writes when it ends in a lockup: cause, then all registers.
_LOCKUP: Final = re.compile(r"Lockup: ([^\n]*).*?R15=([0-9a-f]{8})", re.DOTALL)
# MRS and MSR (DDI 0403E, B5.2.2 and B5.2.3) by SYSm; both use r0.
_SYSTEM_REGISTERS: Final = {"msp": 8, "psp": 9, "control": 20}
_CORE_NAMES: Final = {"r13": "sp", "r14": "lr", "r15": "pc"}
REGISTER_NAMES: Final = (
    *(f"r{i}" for i in range(16)),
    *("sp", "lr", "pc", "xpsr", *_SYSTEM_REGISTERS),
    *(f"s{i}" for i in range(32)),
    "fpscr",
)


class QemuDevice(Device):
    """QEMU's Cortex-M7 with its NVIC, system registers and MPU; no caches, no DWT."""

    def __init__(self, platform: Platform, timing: Timing = "count") -> None:
        super().__init__(platform)
        del timing  # it models none
        self._process: QemuProcess | None = None
        self._machine = load_platform(MACHINE)
        # Where _execute() puts its instruction, for a moment.
        self._scratch = self._machine.region("psram").end - 16
        self._ended = ""

    @property
    def capabilities(self) -> Capabilities:
        """Counts instructions, with a timer of the board: QEMU 7.2 has no DWT for this core."""
        return Capabilities(
            count=CountKind("instructions", "counted"),
            writes_flash=False,
            simulated=True,
            speed="fast",
            exact_store_faults=True,
            all_gaps_fault=False,
            survives_lockup=False,
            tells_breakpoints=False,
            precise_stores=True,
            counter=_COUNTER,
        )

    def open(self) -> None:
        """Start QEMU; memory is zero. DeviceError for a section where it has no memory."""
        self.close()
        self._refuse_sections_without_memory()
        self._ended = ""
        self._process = QemuProcess(*_OPTIONS)
        self._remote = GdbRemote(self._process.link, COMMAND)
        try:
            self._guarded(self._remote.start)
            self._reset()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End QEMU."""
        if self._process is not None:
            process, self._process = self._process, None
            process.end()
        self._ended = ""

    def _refuse_sections_without_memory(self) -> None:
        for section in self.platform.placed_sections:
            for extent in section.extents:
                if self._machine.region_at(extent.base, extent.size_bytes) is None:
                    has_own = (self.platform.folder / "qemu.yaml").is_file()
                    raise AccessError(
                        f"section {section.name} of {self.platform} lies at "
                        f"{format_range(extent.base, extent.size_bytes)}, where QEMU's {MACHINE} "
                        "has no memory; "
                        + (
                            'its qemu.yaml applies if it is loaded by load_platform(..., "qemu")'
                            if has_own
                            else "a qemu.yaml beside its platform.yaml can place it elsewhere (see "
                            f"`usim platforms show {MACHINE}`)"
                        ),
                        address=extent.base,
                        size_bytes=extent.size_bytes,
                    )

    def _check(self, address: int, size_bytes: int, verb: str) -> None:
        super()._check(address, size_bytes, verb)
        if self._machine.region_at(address, max(size_bytes, 1)) is None:
            raise AccessError(
                f"cannot {verb} at {format_address(address)}: QEMU's {MACHINE} has no memory there",
                address=address,
                size_bytes=size_bytes,
            )

    def _stub(self) -> GdbRemote:
        if self._process is None:
            raise DeviceError(self._ended or "the device is not open: call open() first")
        return self._remote

    def _reset(self) -> None:
        stub = self._stub()
        self._guarded(lambda: stub.monitor("system_reset"))
        self._guarded(lambda: stub.write_register("xpsr", _XPSR_T))

    def _read(self, address: int, size_bytes: int) -> bytes:
        stub = self._stub()
        return self._guarded(lambda: stub.read_memory(address, size_bytes))

    def _write(self, address: int, data: bytes) -> None:
        stub = self._stub()
        self._guarded(lambda: stub.write_memory(address, data))

    # Registers.

    def _read_register(self, name: str) -> int:
        stub, name = self._stub(), self._known(name)
        return self._guarded(lambda: self._get(stub, name))

    def _write_register(self, name: str, value: int) -> None:
        stub, name = self._stub(), self._known(name)
        self._guarded(lambda: self._set(stub, name, value & 0xFFFF_FFFF))

    def _known(self, name: str) -> str:
        if name not in REGISTER_NAMES:
            raise DeviceError(f"no register {name!r}; there are {', '.join(REGISTER_NAMES)}")
        return _CORE_NAMES.get(name, name)

    def _get(self, stub: GdbRemote, name: str) -> int:
        if name in _SYSTEM_REGISTERS:
            return self._execute(stub, (0xF3EF, 0x8000 | _SYSTEM_REGISTERS[name]))
        if name[0] == "s" and name != "sp":
            number = int(name[1:])
            return stub.read_register(f"d{number // 2}") >> 32 * (number % 2) & 0xFFFF_FFFF
        return stub.read_register(name)

    def _set(self, stub: GdbRemote, name: str, value: int) -> None:
        if name in _SYSTEM_REGISTERS:
            self._execute(stub, (0xF380, 0x8800 | _SYSTEM_REGISTERS[name]), value)
        elif name[0] == "s" and name != "sp":
            number = int(name[1:])
            shift = 32 * (number % 2)
            pair = stub.read_register(f"d{number // 2}") & ~(0xFFFF_FFFF << shift)
            stub.write_register(f"d{number // 2}", pair | value << shift)
        else:
            if name == "pc":  # a jump, into Thumb code and out of any IT block
                flags = stub.read_register("xpsr") & ~_XPSR_IT
                stub.write_register("xpsr", flags | _XPSR_T)
                value &= ~1
            stub.write_register(name, value)

    def _execute(self, stub: GdbRemote, halfwords: tuple[int, int], r0: int = 0) -> int:
        """Let the core execute one instruction, for what the stub has no number for; r0 after."""
        code = b"".join(half.to_bytes(2, "little") for half in halfwords)
        kept = {name: stub.read_register(name) for name in ("r0", "pc", "xpsr")}
        memory = stub.read_memory(self._scratch, len(code))
        stub.write_memory(self._scratch, code)
        stub.write_register("r0", r0)
        stub.write_register("xpsr", kept["xpsr"] & ~_XPSR_IT | _XPSR_T)
        stub.write_register("pc", self._scratch)
        stub.step()
        result = stub.read_register("r0")
        stub.write_memory(self._scratch, memory)
        for name, value in kept.items():
            stub.write_register(name, value)
        return result

    # Running.

    def _run_until(self, address: int, timeout_s: float) -> None:
        stub = self._stub()
        self._guarded(lambda: self._run(stub, address, timeout_s))

    def _run(self, stub: GdbRemote, address: int, timeout_s: float) -> None:
        if stub.read_register("pc") == address:
            return
        stub.set_breakpoint(address)
        try:
            stub.resume()
            try:
                reached = stub.wait(timeout_s)
            except KeyboardInterrupt:
                stub.halt()
                raise
            stub.halt()
        finally:
            if self._process is not None and not stub.is_closed:
                stub.clear_breakpoint(address)
        pc = stub.read_register("pc")
        if reached and pc != address:
            raise DeviceError(
                f"{COMMAND} stopped at {format_address(pc)}, not at {format_address(address)}"
            )
        if pc != address:
            raise DeviceTimeoutError(
                f"{format_address(address)} was not reached within {timeout_s:g} s; "
                f"last pc {format_address(pc)}",
                pc=pc,
                timeout_s=timeout_s,
            )

    # Its end.

    def _guarded(self, use: Callable[[], _T]) -> _T:
        try:
            return use()
        except LinkClosedError as exc:
            raise self._died() from exc

    def _died(self) -> DeviceError:
        """Why the link closed. The device has to be opened anew."""
        assert self._process is not None
        process, self._process = self._process, None
        process.wait()
        words, obituary = process.last_words(), process.obituary()
        process.end()
        self._ended = (
            f"{COMMAND} has ended, and its memory is lost: open the device again, or a new session"
        )
        if lockup := _LOCKUP.search(words):
            pc = int(lockup[2], 16)
            return LockupError(f"locked up at {format_address(pc)}: {lockup[1]}", pc=pc)
        return DeviceError(f"{obituary}; open the device again")
