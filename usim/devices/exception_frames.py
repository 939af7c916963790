"""Frames of exceptions on the stack: what entry pushes and return pops (DDI 0403E B1.5.7, B1.5.8).

Floating-point registers are stored at once or, where FPCCR.LSPEN is set, when a handler uses the
unit first.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from usim.devices.fpu_registers import LSPACT, READY, THREAD, USER, FpuRegisters
from usim.devices.system_registers import CCR, SystemRegisters
from usim.devices.unicorn_engine import XPSR_IT, UnicornEngine

CONTROL_NPRIV: Final = 1 << 0
CONTROL_SPSEL: Final = 1 << 1
CONTROL_FPCA: Final = 1 << 2
XPSR_EXCEPTION: Final = 0x1FF

_BASIC_BYTES: Final = 32
_EXTENDED_BYTES: Final = 104
_FP_OFFSET: Final = 32
_XPSR_FLAGS: Final = 0xF80F_0000
_XPSR_PADDED: Final = 1 << 9
_XPSR_THUMB: Final = 1 << 24
_STKALIGN: Final = 1 << 9
_BASIC_FRAME: Final = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")
_RESTORED_FROM_MSP: Final = ("msp", "control", "ipsr", *_BASIC_FRAME[:6], "xpsr")
_RESTORED_FROM_PSP: Final = ("psp", *_RESTORED_FROM_MSP[1:])
_FP_REGISTERS: Final = (*(f"s{i}" for i in range(16)), "fpscr")


class Memory(Protocol):
    """How frames and vectors are accessed; AccessError where there is no memory."""

    def load(self, address: int, size_bytes: int) -> bytes: ...

    def load_vector(self, address: int) -> bytes: ...

    def store(self, address: int, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was popped."""

    values: Sequence[int]
    fp_values: Sequence[int]
    stack_pointer: int  # above it

    @property
    def exception(self) -> int:
        """The number of the exception that was interrupted, 0 for a thread."""
        return self.values[7] & XPSR_EXCEPTION


class Frames:
    """Pushes and pops frames of one core."""

    def __init__(
        self,
        engine: UnicornEngine,
        memory: Memory,
        system: SystemRegisters,
        fpu: FpuRegisters,
    ) -> None:
        self._engine = engine
        self._memory = memory
        self._system = system
        self._fpu = fpu

    def uses_fpu(self, control: int) -> bool:
        """Whether what runs has floating-point state to keep."""
        return bool(control & CONTROL_FPCA) and self._fpu.stacks

    def push(self, *, with_fp: bool, ready: int) -> None:
        """Push what runs. AccessError if the stack is no memory: its pointer has moved then, too.

        `ready` has FPCCR's bits for the faults that could be taken now.
        """
        engine = self._engine
        sp, *values = engine.registers.read("sp", *_BASIC_FRAME)
        size = _EXTENDED_BYTES if with_fp else _BASIC_BYTES
        aligned = with_fp or bool(self._system.value(CCR) & _STKALIGN)
        padding = sp & 4 if aligned else 0
        frame_at = (sp - size - padding) & 0xFFFF_FFFF
        values[6] &= ~1
        values[7] |= _XPSR_PADDED if padding else 0
        if with_fp and not self._fpu.stacks_lazily:
            values += [*self._fp_values(), 0]
        elif with_fp:
            self._leave_room(frame_at + _FP_OFFSET, ready)
        engine.write_register("sp", frame_at)
        self._memory.store(frame_at, struct.pack(f"<{len(values)}I", *values))
        engine.account_access(frame_at, 4 * len(values), is_write=True)

    def _fp_values(self) -> list[int]:
        return list(self._engine.registers.read(*_FP_REGISTERS))

    def _leave_room(self, address: int, ready: int) -> None:
        control = self._engine.read_register("control")
        state = LSPACT | ready
        if self._engine.read_register("ipsr") == 0:
            state |= THREAD | (USER if control & CONTROL_NPRIV else 0)
        self._fpu.control &= ~(LSPACT | THREAD | USER | sum(READY.values()))
        self._fpu.control |= state
        self._fpu.address = address

    def preserve(self) -> None:
        """Store the floating-point registers where room was left. AccessError without memory."""
        self._fpu.control &= ~LSPACT
        data = struct.pack("<17I", *self._fp_values())
        self._memory.store(self._fpu.address, data)
        self._engine.account_access(self._fpu.address, len(data), is_write=True)

    def read(self, exc_return: int) -> Frame:
        """The frame that a return is to restore. AccessError if the stack is no memory."""
        sp = self._engine.read_register("psp" if exc_return & 4 else "msp")
        with_fp = not exc_return & 0x10
        waiting = self._fpu.is_waiting
        size = _EXTENDED_BYTES if with_fp else _BASIC_BYTES
        frame = self._memory.load(sp, size if with_fp and not waiting else _BASIC_BYTES)
        self._engine.account_access(sp, len(frame), is_write=False)
        words = struct.unpack(f"<{len(frame) // 4}I", frame)
        padded = words[7] & _XPSR_PADDED and (with_fp or self._system.value(CCR) & _STKALIGN)
        return Frame(words[:8], words[8:25], sp + size + (4 if padded else 0))

    def restore(self, frame: Frame, exc_return: int) -> None:
        """Go on with what was interrupted."""
        engine = self._engine
        process_stack, with_fp = bool(exc_return & 4), not exc_return & 0x10
        active = frame.exception
        status = frame.values[7] & (_XPSR_FLAGS | XPSR_IT) | active
        if with_fp:
            self._fpu.control &= ~LSPACT
            if frame.fp_values:
                engine.registers.write(_FP_REGISTERS, frame.fp_values[: len(_FP_REGISTERS)])
        # All while the handler's mode lasts: Unicorn refuses an unprivileged thread.
        control = engine.read_register("control") & ~(CONTROL_SPSEL | CONTROL_FPCA)
        control |= CONTROL_SPSEL if process_stack else 0
        control |= CONTROL_FPCA if with_fp else 0
        engine.registers.write(
            _RESTORED_FROM_PSP if process_stack else _RESTORED_FROM_MSP,
            (frame.stack_pointer, control, active, *frame.values[:6], status),
        )
        engine.jump(frame.values[6], thumb=bool(frame.values[7] & _XPSR_THUMB))
