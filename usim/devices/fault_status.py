"""Which fault a stop of the core is, and what CFSR, HFSR, MMFAR and BFAR say of it.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5.14, B3.2.15 to B3.2.18.
"""

from __future__ import annotations

from typing import Final

from usim.devices.nvic import BUS_FAULT, MEM_MANAGE, USAGE_FAULT
from usim.devices.stops import Stop, StopKind
from usim.devices.system_registers import BFAR, CFSR, MMFAR, SystemRegisters

# CFSR: MMFSR, BFSR and UFSR.
IACCVIOL: Final = 1 << 0
DACCVIOL: Final = 1 << 1
MUNSTKERR: Final = 1 << 3
MSTKERR: Final = 1 << 4
MLSPERR: Final = 1 << 5
MMARVALID: Final = 1 << 7
IBUSERR: Final = 1 << 8
PRECISERR: Final = 1 << 9
IMPRECISERR: Final = 1 << 10
UNSTKERR: Final = 1 << 11
STKERR: Final = 1 << 12
LSPERR: Final = 1 << 13
BFARVALID: Final = 1 << 15
UNDEFINSTR: Final = 1 << 16
INVSTATE: Final = 1 << 17
INVPC: Final = 1 << 18
NOCP: Final = 1 << 19
UNALIGNED: Final = 1 << 24
DIVBYZERO: Final = 1 << 25
# HFSR.
HFSR_VECTTBL: Final = 1 << 1
HFSR_FORCED: Final = 1 << 30
HFSR_DEBUGEVT: Final = 1 << 31

# Peripheral and device space can't be executed from (B3.1).
_EXECUTE_NEVER: Final = ((0x4000_0000, 0x6000_0000), (0xA000_0000, 0x1_0000_0000))
# Exception number and CFSR bits of what no address or state of the core decides.
_WITHOUT_ADDRESS: Final = {
    StopKind.DIVIDE_BY_ZERO: (USAGE_FAULT, DIVBYZERO),
    StopKind.UNALIGNED: (USAGE_FAULT, UNALIGNED),
    StopKind.NO_COPROCESSOR: (USAGE_FAULT, NOCP),
    StopKind.EXECUTE_DENIED: (MEM_MANAGE, IACCVIOL),
}


def record_fault(system: SystemRegisters, stop: Stop, *, in_thumb_state: bool) -> int:
    """Set the status registers for a fault; returns the number of its exception."""
    number, bits = _classify(system, stop, in_thumb_state=in_thumb_state)
    system.set_bits(CFSR, bits)
    return number


def _classify(system: SystemRegisters, stop: Stop, *, in_thumb_state: bool) -> tuple[int, int]:
    match stop.kind:
        case StopKind.READ | StopKind.PRECISE_WRITE:
            system.set_value(BFAR, stop.address)
            return BUS_FAULT, PRECISERR | BFARVALID
        case StopKind.WRITE:
            # Buffered stores fault late: BFAR isn't valid then. What it holds is unknown on a
            # chip; here it is the address, for the report's sake.
            system.set_value(BFAR, stop.address)
            return BUS_FAULT, IMPRECISERR
        case StopKind.ACCESS_DENIED:
            system.set_value(MMFAR, stop.address)
            return MEM_MANAGE, DACCVIOL | MMARVALID
        case StopKind.FETCH:
            never = any(low <= stop.address < high for low, high in _EXECUTE_NEVER)
            return (MEM_MANAGE, IACCVIOL) if never else (BUS_FAULT, IBUSERR)
        case StopKind.UNDEFINED:
            return USAGE_FAULT, UNDEFINSTR if in_thumb_state else INVSTATE
        case _:
            return _WITHOUT_ADDRESS[stop.kind]
