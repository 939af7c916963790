"""The Renode device: the platform's own .repl file in Renode, in this process.

Renode executes instructions and models peripherals; it has no caches, no wait states and, in
1.16.1, no bus faults: a read where nothing is gives 0 and a warning in its log.
"""

from __future__ import annotations

from typing import Final

from usim.devices.base import Capabilities, CountKind, Device, Timing
from usim.devices.renode_host import find_host
from usim.devices.renode_machine import REGISTER_NAMES, RenodeMachine
from usim.errors import DeviceError, DeviceTimeoutError, LockupError
from usim.formatting import format_address
from usim.platforms import Platform

_CLEARED_BY_RESET: Final = (*(f"r{number}" for number in range(13)), "control")
_BLOCK_BYTES: Final = 1 << 16


class RenodeDevice(Device):
    """A machine of Renode's, which counts instructions with its model of the DWT.

    CYCCNT there is virtual time at the core's PerformanceInMips, and advances by blocks of code:
    a count may be off by some 30 instructions.
    """

    def __init__(self, platform: Platform, timing: Timing = "count") -> None:
        super().__init__(platform)
        del timing  # it models none
        self._machine: RenodeMachine | None = None
        self._ended = ""

    @property
    def capabilities(self) -> Capabilities:
        """Counts instructions; has no caches, and takes faults of instructions only."""
        return Capabilities(
            count=CountKind("instructions", "counted"),
            writes_flash=True,
            simulated=True,
            speed="fast",
            all_gaps_fault=False,
            survives_lockup=False,
            tells_breakpoints=False,
            architectural_faults=False,
            exact_counter=False,
        )

    def open(self) -> None:
        """Load Renode, the first time some seconds, and make a machine; memory is zero."""
        self.close()
        self._ended = ""
        self._machine = RenodeMachine(find_host(), self.platform.repl_path)
        try:
            self._settle()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the machine; Renode itself stays in the process."""
        if self._machine is not None:
            machine, self._machine = self._machine, None
            machine.dispose()
        self._ended = ""

    def _open_machine(self) -> RenodeMachine:
        if self._machine is None:
            raise DeviceError(self._ended or "the device is not open: call open() first")
        return self._machine

    def _reset(self) -> None:
        """Reset the machine. Memory is compared, and what a reset took is written back."""
        machine = self._open_machine()
        kept = [(at, machine.read(at, size)) for at, size in self._blocks()]
        machine.reset()
        for at, data in kept:
            if machine.read(at, len(data)) != data:
                machine.write(at, data)
        self._settle()

    def _blocks(self) -> list[tuple[int, int]]:
        return [
            (at, min(_BLOCK_BYTES, region.end - at))
            for region in self.platform.regions
            if region.alias_of is None
            for at in range(region.base, region.end, _BLOCK_BYTES)
        ]

    def _settle(self) -> None:
        """Registers as after a reset; with a pc, or Renode would fetch one from the vectors."""
        machine = self._open_machine()
        for name in _CLEARED_BY_RESET:
            machine.write_register(name, 0)
        machine.write_register("lr", 0xFFFF_FFFF)
        machine.write_register("pc", 0)

    def _read(self, address: int, size_bytes: int) -> bytes:
        return self._open_machine().read(address, size_bytes)

    def _write(self, address: int, data: bytes) -> None:
        self._open_machine().write(address, data)

    def _read_register(self, name: str) -> int:
        machine = self._open_machine()
        self._check_register(name)
        return machine.read_register(name)

    def _write_register(self, name: str, value: int) -> None:
        machine = self._open_machine()
        self._check_register(name)
        machine.write_register(name, value & 0xFFFF_FFFF)

    def _check_register(self, name: str) -> None:
        if name not in REGISTER_NAMES:
            raise DeviceError(f"no register {name!r}; there are {', '.join(REGISTER_NAMES)}")

    def _run_until(self, address: int, timeout_s: float) -> None:
        machine = self._open_machine()
        if machine.read_register("pc") == address:
            return
        try:
            reached = machine.run_until(address, timeout_s)
        except LockupError as exc:
            self._machine = None  # it was removed
            self._ended = f"{exc}"
            raise
        pc = machine.read_register("pc")
        if not reached or pc != address:
            raise DeviceTimeoutError(
                f"{format_address(address)} was not reached within {timeout_s:g} s; "
                f"last pc {format_address(pc)}",
                pc=pc,
                timeout_s=timeout_s,
            )
