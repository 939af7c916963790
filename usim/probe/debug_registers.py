"""The debug registers of the core: DHCSR, DCRSR, DCRDR, DEMCR, AIRCR, breakpoints, identification.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), C1.6, C1.8 (DWT), C1.11 (FPB), B3.2.6
(AIRCR).
The chip's system registers ask this unit first, for the debugger's accesses and the program's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from usim.devices.system_registers import AIRCR, DEMCR, DWT_CTRL, DWT_CYCCNT
from usim.probe.breakpoint_unit import BreakpointUnit
from usim.probe.chip import EmulatedChip
from usim.probe.halt_reasons import VectorCatch
from usim.probe.rom_table import make_id_registers
from usim.probe.watchpoint_unit import WatchpointUnit

DHCSR: Final = 0xE000_EDF0
DCRSR: Final = 0xE000_EDF4
DCRDR: Final = 0xE000_EDF8

_COUNTER: Final = frozenset({DWT_CTRL, DWT_CYCCNT})
# What breakpoints of this unit and C_DEBUGEN are called at the chip.
DEBUGGER: Final = "jtag"

_KEY: Final = 0xA05F
_C_DEBUGEN, _C_HALT, _C_STEP, _C_MASKINTS = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_S_REGRDY, _S_HALT, _S_SLEEP, _S_LOCKUP = 1 << 16, 1 << 17, 1 << 18, 1 << 19
_S_RETIRE_ST, _S_RESET_ST = 1 << 24, 1 << 25
_KEPT: Final = _C_DEBUGEN | _C_STEP | _C_MASKINTS
_STATES: Final = {"halted": _S_HALT | _C_HALT, "asleep": _S_SLEEP, "locked up": _S_LOCKUP}

_VECTKEY: Final = 0x05FA
_SYSRESETREQ, _VECTCLRACTIVE, _VECTRESET = 1 << 2, 1 << 1, 1 << 0
_PRIGROUP: Final = 0x700

# Registers by REGSEL (C1.6.3); 20 is four in one.
_REGISTERS: Final = {
    **{number: f"r{number}" for number in range(16)},
    16: "xpsr",
    17: "msp",
    18: "psp",
    33: "fpscr",
    **{64 + number: f"s{number}" for number in range(32)},
}
_SPECIAL: Final = 20
_SPECIAL_PARTS: Final = ("primask", "basepri", "faultmask", "control")
_WRITES: Final = 1 << 16


class DebugRegisters:
    """What a debugger sees of an EmulatedChip at 0xE000_0000 beyond the system registers."""

    def __init__(self, chip: EmulatedChip, device_id: int) -> None:
        self._chip = chip
        self._control = 0
        self._data = 0
        self._seen_resets = chip.reset_count
        self._seen_instructions = chip.instructions
        self._breakpoints = BreakpointUnit(
            lambda addresses: chip.set_breakpoints(DEBUGGER, addresses)
        )
        self._watchpoints = WatchpointUnit(chip.watchpoints, DEBUGGER)
        self._ids = make_id_registers(device_id, chip.timing)
        self._readers: dict[int, Callable[[], int]] = {
            DHCSR: self._read_status,
            DCRSR: lambda: 0,
            DCRDR: lambda: self._data,
        }
        self._writers: dict[int, Callable[[int], bool]] = {
            DHCSR: self._write_control,
            DCRSR: self._transfer,
            DCRDR: self._set_data,
            DEMCR: self._set_catches,
            AIRCR: self._write_aircr,
        }

    def read(self, address: int) -> int | None:
        """A word; None if the register is none of this unit's."""
        reader = self._readers.get(address)
        if reader is not None:
            return reader()
        for unit in (self._breakpoints, self._watchpoints):
            value = unit.read(address)
            if value is not None:
                return value
        return self._ids.get(address)

    def write(self, address: int, value: int) -> bool:
        """Set a word; False if the register is none of this unit's."""
        writer = self._writers.get(address)
        if writer is not None:
            return writer(value)
        if self._chip.executing:
            # These units are the debugger's: a program can't use them to debug itself.
            return self._breakpoints.read(address) is not None or address in self._ids
        if address in _COUNTER:
            self._chip.device.write_dwt(address, value)  # its lock is for the program's accesses
            return True
        units = (self._breakpoints, self._watchpoints)
        return any(unit.write(address, value) for unit in units) or address in self._ids

    # DHCSR.

    def _read_status(self) -> int:
        chip = self._chip
        status = self._control | _S_REGRDY | _STATES.get(chip.state, 0)
        if chip.executing:
            return status & _C_DEBUGEN  # the program sees that a debugger is there, and no more
        if chip.reset_count != self._seen_resets:
            status |= _S_RESET_ST
        if chip.instructions != self._seen_instructions:
            status |= _S_RETIRE_ST
        self._seen_resets = chip.reset_count
        self._seen_instructions = chip.instructions
        return status

    def _write_control(self, value: int) -> bool:
        chip = self._chip
        if value >> 16 != _KEY or chip.executing:
            return True
        begins = value & ~self._control & _C_DEBUGEN
        self._control = value & _KEPT
        if not value & _C_DEBUGEN:
            chip.detach(DEBUGGER)
            if chip.halted:
                chip.resume()
            return True
        if begins:
            chip.attach(DEBUGGER)
            self._breakpoints.place()  # the comparators have kept what they held
            self._watchpoints.place()
        if value & _C_HALT:
            chip.halt()
        elif chip.halted and value & _C_STEP:
            chip.step()
        elif chip.halted:
            chip.resume()
        return True

    # Core registers.

    def _set_data(self, value: int) -> bool:
        self._data = value
        return True

    def _transfer(self, value: int) -> bool:
        """DCRSR: move DCRDR to a register of the halted core, or the other way."""
        if not self._chip.halted:
            return True
        number = value & 0x7F
        if number == _SPECIAL:
            self._transfer_special(writes=bool(value & _WRITES))
        elif number in _REGISTERS:
            if value & _WRITES:
                self._chip.write_register(_REGISTERS[number], self._data)
            else:
                self._data = self._chip.read_register(_REGISTERS[number])
        return True

    def _transfer_special(self, *, writes: bool) -> None:
        if writes:
            for place, name in enumerate(_SPECIAL_PARTS):
                self._chip.write_register(name, self._data >> 8 * place & 0xFF)
        else:
            self._data = sum(
                (self._chip.read_register(name) & 0xFF) << 8 * place
                for place, name in enumerate(_SPECIAL_PARTS)
            )

    # Resets and vector catches.

    def _set_catches(self, value: int) -> bool:
        if not self._chip.executing:
            self._chip.vector_catch = VectorCatch(value & sum(VectorCatch))
        return False  # TRCENA is the system registers' own

    def _write_aircr(self, value: int) -> bool:
        if value >> 16 != _VECTKEY:
            return True  # ignored without the key
        if value & (_SYSRESETREQ | _VECTRESET):
            self._chip.request_reset()
            return True
        if value & _VECTCLRACTIVE and self._chip.halted:
            self._chip.write_register("ipsr", 0)
        return False
