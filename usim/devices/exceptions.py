"""Exception entry and return of Armv7-M on an engine that has none: stacking, vectors, EXC_RETURN.

Source: Armv7-M Architecture Reference Manual (DDI 0403E), B1.5.6 to B1.5.8 and B1.5.14. One level
of priority: a fault while a handler runs escalates to HardFault, a fault in HardFault is lockup.
"""

from __future__ import annotations

import struct
from typing import Final, Protocol

from usim.devices.system_registers import BFAR, CFSR, HFSR, VTOR, SystemRegisters
from usim.devices.unicorn_engine import XPSR_IT, Stop, StopKind, UnicornEngine
from usim.errors import AccessError, LockupError
from usim.formatting import format_address

# Entry takes 11 to 12 cycles (reference measurements); return is taken to cost as much.
ENTRY_CYCLES: Final = 12

HARD_FAULT: Final = 3
MEM_MANAGE: Final = 4
BUS_FAULT: Final = 5
USAGE_FAULT: Final = 6
SVCALL: Final = 11
DEBUG_MONITOR: Final = 12

# CFSR bits (B3.2.15).
IACCVIOL: Final = 1 << 0
IBUSERR: Final = 1 << 8
PRECISERR: Final = 1 << 9
IMPRECISERR: Final = 1 << 10
STKERR: Final = 1 << 12
BFARVALID: Final = 1 << 15
UNDEFINSTR: Final = 1 << 16
INVSTATE: Final = 1 << 17
UNALIGNED: Final = 1 << 24
DIVBYZERO: Final = 1 << 25
# HFSR bits (B3.2.16).
HFSR_FORCED: Final = 1 << 30
HFSR_DEBUGEVT: Final = 1 << 31

_XPSR_FLAGS: Final = 0xF800_0000
_XPSR_PADDED: Final = 1 << 9
_XPSR_EXCEPTION: Final = 0x1FF
_CONTROL_SPSEL: Final = 1 << 1
_CONTROL_FPCA: Final = 1 << 2
_BASIC_FRAME: Final = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")
_FP_REGISTERS: Final = tuple(f"s{i}" for i in range(16))
# Peripheral and device space can't be executed from (B3.1).
_EXECUTE_NEVER: Final = ((0x4000_0000, 0x6000_0000), (0xA000_0000, 0x1_0000_0000))
# Exception number and CFSR bits of what no address or state of the core decides.
_WITHOUT_ADDRESS: Final = {
    StopKind.DIVIDE_BY_ZERO: (USAGE_FAULT, DIVBYZERO),
    StopKind.UNALIGNED: (USAGE_FAULT, UNALIGNED),
    StopKind.SVC: (SVCALL, 0),
    StopKind.BKPT: (HARD_FAULT, 0),
}


class Memory(Protocol):
    """How frames and vectors are accessed; AccessError where there is no memory."""

    def load(self, address: int, size_bytes: int) -> bytes: ...

    def store(self, address: int, data: bytes) -> None: ...


class ExceptionModel:
    """Takes faults and SVCs, and returns from them."""

    def __init__(self, engine: UnicornEngine, memory: Memory, system: SystemRegisters) -> None:
        self._engine = engine
        self._memory = memory
        self._system = system

    def take(self, stop: Stop) -> None:
        """Enter the exception that `stop` calls for; LockupError if it can't be taken."""
        if stop.kind is StopKind.EXCEPTION_RETURN:
            self._return(stop.address)
            return
        number, cfsr = self._classify(stop)
        self._system.set_bits(CFSR, cfsr)
        self._enter(self._escalated(number, stop), stop)

    def _classify(self, stop: Stop) -> tuple[int, int]:
        match stop.kind:
            case StopKind.READ:
                self._system.set_value(BFAR, stop.address)
                return BUS_FAULT, PRECISERR | BFARVALID
            case StopKind.WRITE:
                # Buffered stores fault late: BFAR isn't valid then. What it holds is unknown on a
                # chip; here it is the address, for the report's sake.
                self._system.set_value(BFAR, stop.address)
                return BUS_FAULT, IMPRECISERR
            case StopKind.FETCH:
                never = any(low <= stop.address < high for low, high in _EXECUTE_NEVER)
                return (MEM_MANAGE, IACCVIOL) if never else (BUS_FAULT, IBUSERR)
            case StopKind.UNDEFINED:
                return USAGE_FAULT, UNDEFINSTR if self._engine.in_thumb_state else INVSTATE
            case _:
                return _WITHOUT_ADDRESS[stop.kind]

    def _escalated(self, number: int, stop: Stop) -> int:
        active = self._engine.read_register("ipsr")
        if active == HARD_FAULT:
            raise self._lockup(stop, "a fault inside the HardFault handler")
        if stop.kind is StopKind.BKPT:
            self._system.set_bits(HFSR, HFSR_DEBUGEVT)
            return HARD_FAULT
        disabled = number != SVCALL and not self._system.fault_enabled(number)
        if disabled or active != 0:
            self._system.set_bits(HFSR, HFSR_FORCED)
            return HARD_FAULT
        return number

    def _enter(self, number: int, stop: Stop) -> None:
        engine = self._engine
        control = engine.read_register("control")
        in_handler = engine.read_register("ipsr") != 0
        process_stack = bool(control & _CONTROL_SPSEL) and not in_handler
        with_fp = bool(control & _CONTROL_FPCA)
        if not self._push_frame(with_fp=with_fp):
            self._system.set_bits(CFSR, STKERR)
        engine.clear_it_state()
        engine.write_register("ipsr", number)
        engine.write_register("control", control & ~(_CONTROL_SPSEL | _CONTROL_FPCA))
        exc_return = 0xFFFF_FFF1 if in_handler else 0xFFFF_FFFD if process_stack else 0xFFFF_FFF9
        engine.write_register("lr", exc_return & ~(0x10 if with_fp else 0))
        self._jump_to_vector(number, stop)

    def _push_frame(self, *, with_fp: bool) -> bool:
        engine = self._engine
        sp = engine.read_register("sp")
        size = 104 if with_fp else 32
        padding = (sp - size) & 4
        frame_at = (sp - size - padding) & 0xFFFF_FFFF
        values = [engine.read_register(name) for name in _BASIC_FRAME]
        values[6] &= ~1
        values[7] |= _XPSR_PADDED if padding else 0
        if with_fp:
            values += [engine.read_register(name) for name in (*_FP_REGISTERS, "fpscr")] + [0]
        engine.write_register("sp", frame_at)
        try:
            self._memory.store(frame_at, struct.pack(f"<{len(values)}I", *values))
        except AccessError:
            return False
        return True

    def _jump_to_vector(self, number: int, stop: Stop) -> None:
        try:
            entry = self._memory.load(self._system.value(VTOR) + 4 * number, 4)
        except AccessError:
            entry = b"\0\0\0\0"
        handler = int.from_bytes(entry, "little")
        if not handler & 1:
            raise self._lockup(
                stop,
                f"exception {number} has no handler (VTOR "
                f"{format_address(self._system.value(VTOR))})",
            )
        self._engine.jump(handler)
        if self._engine.timer is not None:
            self._engine.timer.interrupt(ENTRY_CYCLES)

    def _return(self, exc_return: int) -> None:
        """Unstack what entry stacked; `exc_return` is the value branched to, bit 0 lost."""
        engine = self._engine
        to_handler, process_stack = not exc_return & 8, bool(exc_return & 4)
        with_fp = not exc_return & 0x10
        sp = engine.read_register("psp" if process_stack else "msp")
        try:
            frame = self._memory.load(sp, 104 if with_fp else 32)
        except AccessError as exc:
            raise LockupError(
                f"exception return to a stack at {format_address(sp)}, where no memory is", pc=sp
            ) from exc
        values = struct.unpack(f"<{len(frame) // 4}I", frame)
        restored = sp + len(frame) + (4 if values[7] & _XPSR_PADDED else 0)
        active = values[7] & _XPSR_EXCEPTION if to_handler else 0
        engine.write_register("ipsr", active)
        engine.write_register("psp" if process_stack else "msp", restored)
        control = engine.read_register("control") & ~(_CONTROL_SPSEL | _CONTROL_FPCA)
        control |= _CONTROL_SPSEL if process_stack else 0
        engine.write_register("control", control | (_CONTROL_FPCA if with_fp else 0))
        for name, value in zip(("r0", "r1", "r2", "r3", "r12", "lr"), values, strict=False):
            engine.write_register(name, value)
        if with_fp:
            for name, value in zip((*_FP_REGISTERS, "fpscr"), values[8:25], strict=True):
                engine.write_register(name, value)
        engine.write_register("xpsr", values[7] & (_XPSR_FLAGS | XPSR_IT) | active)
        engine.jump(values[6])
        if engine.timer is not None:
            engine.timer.interrupt(ENTRY_CYCLES)

    def _lockup(self, stop: Stop, why: str) -> LockupError:
        return LockupError(
            f"the core locked up at {format_address(stop.pc)}: {why}; "
            f"{stop.kind.name.lower()} fault, address {format_address(stop.address)}, "
            f"CFSR {self._system.value(CFSR):#010x}",
            pc=stop.pc,
            address=stop.address,
        )
