"""What a device is to the rest of usim: memory, registers, and a way to run until an address."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, Literal

from usim.errors import AccessError, DeviceError
from usim.formatting import format_address, format_bytes
from usim.platforms import Platform

CountUnit = Literal["cycles", "instructions", "none"]
# What a simulated device models of time: nothing (it counts instructions), the core with every
# access a hit, or caches and memories as well.
Timing = Literal["count", "core", "full"]
CountSource = Literal["measured", "modelled", "counted", "none"]


@dataclass(frozen=True, slots=True)
class CountKind:
    """What CYCCNT advances by on a device: the unit, and where the number comes from."""

    unit: CountUnit
    source: CountSource
    # Of modelled cycles: "core", as if every access hit, or "full", with caches and memories.
    fidelity: Literal["", "core", "full"] = ""

    def __str__(self) -> str:
        """For instance "instructions (counted)", "cycles (modelled, full)"."""
        if self.source == "none":
            return self.unit
        return f"{self.unit} ({self.source}{', ' if self.fidelity else ''}{self.fidelity})"


# What an emulated chip of ours counts.
COUNT_KINDS: Final[dict[Timing, CountKind]] = {
    "count": CountKind("instructions", "counted"),
    "core": CountKind("cycles", "modelled", "core"),
    "full": CountKind("cycles", "modelled", "full"),
}


@dataclass(frozen=True, slots=True)
class Counter:
    """A 32-bit register that counts upwards in place of CYCCNT: `ticks` for each `counts`.

    It is right between two readings by the core without a stop by the host in between.
    """

    address: int
    counts: int
    ticks: int

    def count(self, ticks: int) -> int:
        """The nearest count; a difference of readings may be a tick off."""
        return (ticks * self.counts + self.ticks // 2) // self.ticks


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a device can do beyond the common interface."""

    count: CountKind
    writes_flash: bool
    simulated: bool
    speed: Literal["fast", "slow"]
    # Whether BFAR holds the address of a faulting store too, which a chip's write buffer loses.
    exact_store_faults: bool = False
    # Whether code runs behind caches, so that the runtime has to switch them on.
    has_caches: bool = False
    # Whether every access to where no memory is faults; else some such ranges read as zero.
    all_gaps_fault: bool = True
    # Whether a core that locked up can be reset with its memory intact; else open the device anew.
    survives_lockup: bool = True
    # Whether HFSR.DEBUGEVT tells of a breakpoint instruction; else it is a forced HardFault.
    tells_breakpoints: bool = True
    # Whether PRECISERR may be a store as well.
    precise_stores: bool = False
    # Whether it takes all faults of the manual (DDI 0403E, B1.5.14); else a bad read may give 0.
    architectural_faults: bool = True
    # Whether the counter is exact to the instruction (or cycle), and locked as the manual has it.
    exact_counter: bool = True
    # What counts, where the core has no CYCCNT.
    counter: Counter | None = None
    # Whether the runtime has to set up the core's clock: a board after reset runs from the HSI.
    needs_clock_setup: bool = False
    # The USARTs whose output usart_output() gives.
    usarts: tuple[str, ...] = ()


@dataclass(slots=True)
class Transactions:
    """What went over the link between host and device since it was opened."""

    reads: int = 0
    writes: int = 0
    registers: int = 0
    runs: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    @property
    def total(self) -> int:
        """Every request that the host made."""
        return self.reads + self.writes + self.registers + self.runs


class Device(ABC):
    """A chip that can be loaded and run, real or emulated.

    Life cycle:
    1. construct with a Platform: nothing is started or allocated;
    2. open(): the chip is there, halted, its memory undefined;
    3. reset(), read/write, read_register/write_register, run_until, in any order. Memory survives
       reset(), registers and fault status do not;
    4. close(): everything is given back. Calling it twice, or without open(), is fine.

    Registers are called r0-r15, sp, lr, pc, msp, psp, xpsr, control, s0-s31, fpscr.
    Addresses outside the platform's memory raise AccessError before anything is transferred.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.transactions = Transactions()

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this device can count and write."""

    @abstractmethod
    def open(self) -> None:
        """Start or attach to the chip and halt it."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the chip."""

    def reset(self) -> None:
        """Reset the core and leave it halted; memory keeps its content."""
        self.transactions.runs += 1
        self._reset()

    def read(self, address: int, size_bytes: int) -> bytes:
        """Return `size_bytes` bytes of memory; AccessError outside of it."""
        self._check(address, size_bytes, "read")
        self.transactions.reads += 1
        self.transactions.bytes_read += size_bytes
        return self._read(address, size_bytes) if size_bytes else b""

    def write(self, address: int, data: bytes) -> None:
        """Write memory, flash included where `capabilities` say so; AccessError outside of it."""
        self._check(address, len(data), "write")
        self.transactions.writes += 1
        self.transactions.bytes_written += len(data)
        if data:
            self._write(address, data)

    def read_register(self, name: str) -> int:
        """Return a core register."""
        self.transactions.registers += 1
        return self._read_register(name)

    def write_register(self, name: str, value: int) -> None:
        """Set a core register."""
        self.transactions.registers += 1
        self._write_register(name, value)

    def run_until(self, address: int, timeout_s: float) -> None:
        """Run from pc until `address` is about to be executed.

        DeviceTimeoutError after `timeout_s` seconds of host time; LockupError if the core locks up.
        """
        self.transactions.runs += 1
        self._run_until(address & ~1, timeout_s)

    def usart_output(self, name: str) -> bytes:
        """What the program has sent on a USART since open(); DeviceError where that is lost."""
        raise self._no_usart(name)

    def _no_usart(self, name: str) -> DeviceError:
        usarts = self.capabilities.usarts
        return DeviceError(
            f"no USART {name!r} on {self.platform.name}; there are {', '.join(usarts)}"
            if usarts
            else f"this backend does not capture what {name} sends; run on the backend embedded"
        )

    def _check(self, address: int, size_bytes: int, verb: str) -> None:
        # Neighbouring regions count as one: SRAM1 and SRAM2 are contiguous on the chip.
        at, end = address, address + size_bytes
        while at < end or size_bytes == 0:
            region = self.platform.region_at(at)
            if region is None:
                raise AccessError(
                    f"cannot {verb} {format_bytes(size_bytes) if size_bytes else '0 bytes'} at "
                    f"{format_address(address)}: no region holds {format_address(at)} (platform "
                    f"{self.platform.name}); see `usim platforms show {self.platform.name}`",
                    address=address,
                    size_bytes=size_bytes,
                )
            if region.end >= end:
                return
            at = region.end

    @abstractmethod
    def _reset(self) -> None: ...

    @abstractmethod
    def _read(self, address: int, size_bytes: int) -> bytes: ...

    @abstractmethod
    def _write(self, address: int, data: bytes) -> None: ...

    @abstractmethod
    def _read_register(self, name: str) -> int: ...

    @abstractmethod
    def _write_register(self, name: str, value: int) -> None: ...

    @abstractmethod
    def _run_until(self, address: int, timeout_s: float) -> None: ...
