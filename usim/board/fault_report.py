"""What is known of a fault on a board: kind, cause, place, registers; and who keeps it in mind.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5.6 (stacking), B3.2.15 (CFSR).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from usim.abi import FaultRecord
from usim.devices.embedded import EmbeddedDevice
from usim.devices.nvic import BUS_FAULT, HARD_FAULT, MEM_MANAGE, USAGE_FAULT
from usim.devices.stops import Stop, StopKind
from usim.devices.system_registers import BFAR, CFSR, HFSR, MMFAR
from usim.errors import AccessError
from usim.faults import fault_causes, fault_name, faulting_address
from usim.formatting import format_address
from usim.profile.program import Program

FAULTS: Final = frozenset({HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT})
_STACKED: Final = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")
# EXC_RETURN (B1.5.8): PSP instead of MSP, no floating-point state. Bit 9 of a stacked xPSR: padded.
_SPSEL: Final = 1 << 2
_BASIC_FRAME: Final = 1 << 4
_PADDED: Final = 1 << 9
_BASIC_FRAME_BYTES: Final = 32
_FP_FRAME_BYTES: Final = 104
_CFSR_NAMES: Final = {
    0: "IACCVIOL", 1: "DACCVIOL", 3: "MUNSTKERR", 4: "MSTKERR", 5: "MLSPERR", 7: "MMARVALID",
    8: "IBUSERR", 9: "PRECISERR", 10: "IMPRECISERR", 11: "UNSTKERR", 12: "STKERR", 13: "LSPERR",
    15: "BFARVALID", 16: "UNDEFINSTR", 17: "INVSTATE", 18: "INVPC", 19: "NOCP", 24: "UNALIGNED",
    25: "DIVBYZERO",
}  # fmt: skip
_HFSR_NAMES: Final = {1: "VECTTBL", 30: "FORCED", 31: "DEBUGEVT"}


@dataclass(frozen=True, slots=True)
class FaultReport:
    """A fault with its names: `cause` in words, `place` and `caller` as function and source line.

    The caller is where lr points, empty where that is no code; a leaf's lr may be an old one.
    `at_address` names who is at the address of the access that faulted, or is to be there.
    """

    record: FaultRecord
    cause: str
    place: str
    caller: str
    at_address: str

    @property
    def name(self) -> str:
        """The exception: "HardFault", "BusFault", "UsageFault", "MemManage fault"."""
        return fault_name(self.record)

    @property
    def summary(self) -> str:
        """One line."""
        return f"{self.name}: {self.cause}{self.at_address} at {self.place}"

    def lines(self) -> Iterator[str]:
        """The whole report."""
        yield self.summary
        if self.caller:
            yield f"  called from {self.caller}"
        registers = {**(self.record.registers or {}), "sp": self.record.sp}
        cells = [f"{name} {format_address(value)}" for name, value in registers.items()]
        for at in range(0, len(cells), 5):
            yield "  " + "  ".join(f"{cell:16}" for cell in cells[at : at + 5]).rstrip()
        cfsr, hfsr = self.record.cfsr, self.record.hfsr
        yield f"  CFSR {cfsr:#010x}  {_bits(cfsr, _CFSR_NAMES)}".rstrip()
        yield f"  HFSR {hfsr:#010x}  {_bits(hfsr, _HFSR_NAMES)}".rstrip()


def _bits(value: int, names: dict[int, str]) -> str:
    return " ".join(name for bit, name in names.items() if value >> bit & 1)


class FaultWatch:
    """Follows a device's exceptions, and keeps the faults whose handlers have not returned."""

    def __init__(
        self, device: EmbeddedDevice, program: Program, who_is_at: Callable[[int], str]
    ) -> None:
        self._device = device
        self._program = program
        self._who_is_at = who_is_at
        self._open: list[FaultReport] = []

    @property
    def first(self) -> FaultReport | None:
        """The first fault that no handler returned from: what came later may come from it."""
        return self._open[0] if self._open else None

    def start(self) -> None:
        """From now on; after the device was opened."""
        self._device.watch_exceptions(self._entered, self._left)

    def forget(self) -> None:
        """After a reset."""
        self._open.clear()

    def _entered(self, number: int, stop: Stop) -> None:
        if number in FAULTS:
            self._open.append(self._report(number, stop))

    def _left(self, number: int) -> None:
        if number in FAULTS and self._open:
            self._open.pop()

    def _report(self, number: int, stop: Stop) -> FaultReport:
        cfsr, hfsr, mmfar, bfar = (
            int.from_bytes(self._device.bus_read(register, 4), "little")
            for register in (CFSR, HFSR, MMFAR, BFAR)
        )
        exc_return = self._device.read_register("lr")
        registers, sp = self._stacked(exc_return)
        record = FaultRecord(number, cfsr, hfsr, mmfar, bfar, exc_return, sp, registers)
        return FaultReport(
            record,
            fault_causes(record),
            self._program.describe(stop.pc),
            self._caller(registers["lr"]) if registers else "",
            self._at_address(record, stop),
        )

    def _stacked(self, exc_return: int) -> tuple[dict[str, int] | None, int]:
        """The registers as entry stacked them, if it could, and the stack pointer before it."""
        on_process_stack = exc_return & _SPSEL
        at = self._device.read_register("psp" if on_process_stack else "msp")
        size_bytes = _BASIC_FRAME_BYTES if exc_return & _BASIC_FRAME else _FP_FRAME_BYTES
        try:
            words = struct.unpack("<8I", self._device.read(at, 4 * len(_STACKED)))
        except AccessError:
            return None, at + size_bytes
        padding_bytes = 4 if words[7] & _PADDED else 0
        return dict(zip(_STACKED, words, strict=True)), at + size_bytes + padding_bytes

    def _caller(self, lr: int) -> str:
        call = (lr & ~1) - 2
        return self._program.describe(call) if self._program.function_at(call) else ""

    def _at_address(self, record: FaultRecord, stop: Stop) -> str:
        address = faulting_address(record, exact_stores=True)
        if address is None and stop.kind is StopKind.FETCH:
            address = stop.address
        if address is None:
            return ""
        owner = self._who_is_at(address)
        return f" ({format_address(address)}{f', {owner}' if owner else ''})"
