"""Says in words what a fault record means.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B3.2.15 (CFSR), B3.2.16 (HFSR).
"""

from __future__ import annotations

from typing import Final

from usim.abi import FaultRecord
from usim.formatting import format_address
from usim.platforms import Platform
from usim.symbols import SymbolTable

_EXCEPTIONS: Final = {
    3: "HardFault",
    4: "MemManage fault",
    5: "BusFault",
    6: "UsageFault",
    11: "SVCall",
}
_SVCALL: Final = 11
_DEBUGEVT: Final = 1 << 31
_MMARVALID: Final = 1 << 7
_BFARVALID: Final = 1 << 15
_PRECISERR: Final = 1 << 9
_IMPRECISERR: Final = 1 << 10
_STACKING: Final = 1 << 12 | 1 << 4
_CFSR_BITS: Final = {
    1 << 0: "code fetched from where none may be",
    1 << 1: "data access not allowed by the MPU",
    1 << 4: "no memory for the exception's stack frame",
    1 << 8: "code fetched from where no memory is",
    1 << 9: "load from where no memory is",
    1 << 10: "store to where no memory can be written",
    1 << 12: "no memory for the exception's stack frame",
    1 << 16: "undefined instruction",
    1 << 17: "call or jump to an even address (Arm state)",
    1 << 18: "invalid exception return",
    1 << 19: "coprocessor or FPU is off",
    1 << 24: "unaligned access",
    1 << 25: "division by zero",
}
# A frame larger than this below the stack is not taken for its overflow.
_OVERFLOW_REACH_BYTES: Final = 1 << 20


def faulting_address(fault: FaultRecord, *, exact_stores: bool) -> int | None:
    """The address of the access that faulted, where it is known."""
    if fault.cfsr & _MMARVALID:
        return fault.mmfar
    if fault.cfsr & _BFARVALID or (exact_stores and fault.cfsr & _IMPRECISERR):
        return fault.bfar
    return None


def fault_name(fault: FaultRecord) -> str:
    """The exception that was taken: "BusFault", "UsageFault", "MemManage fault", "HardFault"."""
    return _EXCEPTIONS.get(fault.exception, f"exception {fault.exception}")


def is_stack_overflow(fault: FaultRecord, address: int | None, platform: Platform) -> bool:
    """Whether the stack grew out of its section."""
    base = platform.section("stack").base
    below = address is not None and 0 < base - address <= _OVERFLOW_REACH_BYTES
    return below or bool(fault.cfsr & _STACKING) or 0 < base - fault.sp <= _OVERFLOW_REACH_BYTES


def fault_causes(fault: FaultRecord, *, precise_stores: bool = False) -> str:
    """What CFSR and HFSR say happened, in words; `precise_stores`: a PRECISERR may be a store."""
    causes = [text for bit, text in _CFSR_BITS.items() if fault.cfsr & bit]
    if precise_stores and fault.cfsr & _PRECISERR:
        causes[causes.index(_CFSR_BITS[_PRECISERR])] = "load or store where no memory is"
    if fault.exception == _SVCALL:
        causes.append("a supervisor call, which nothing here answers")
    if fault.hfsr & _DEBUGEVT:
        causes.append("breakpoint")
    return ", ".join(causes) or "no cause given"


def explain_fault(
    fault: FaultRecord,
    platform: Platform,
    symbols: SymbolTable,
    *,
    exact_stores: bool,
    precise_stores: bool = False,
) -> str:
    """One line: what happened, to which address, where, and the status registers."""
    address = faulting_address(fault, exact_stores=exact_stores)
    if is_stack_overflow(fault, address, platform):
        size = platform.section("stack").size_bytes
        what = f"stack overflow (section stack, {size:,} bytes; sp {format_address(fault.sp)})"
    else:
        what = fault_causes(fault, precise_stores=precise_stores)
        if address is not None:
            what += f" ({format_address(address)})"
    where = f" at {symbols.describe(fault.pc)}" if fault.pc is not None else ""
    return f"{fault_name(fault)}: {what}{where}; CFSR {fault.cfsr:#010x}, HFSR {fault.hfsr:#010x}"
