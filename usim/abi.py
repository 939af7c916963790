"""Bytes that cross between host and device: DLPack tensors, task and fault records, call arguments.

The layouts are those of device_runtime/runtime.h and usim.h (32-bit Arm, little-endian); this is
the one place on the host that knows them. Calls follow the Arm procedure call standard, hard-float
variant (AAPCS32, IHI 0042, 6.4 and 7.1): integers and pointers in r0-r3, then the stack; floats in
s0-s15.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

BATCH_MAGIC: Final = 0x7573_696D
STACK_PAINT: Final = 0xA5A5_A5A5
GUARD_WORDS: Final = struct.pack("<II", 0x6D69_7375, 0x6D69_7375)
NULL_GUARD: Final = GUARD_WORDS * 4
MAX_POOLS: Final = 4
FLOAT_REGISTERS: Final = 16
MINIMUM_CORE_WORDS: Final = 4

_TASK: Final = struct.Struct("<IIHHHHIIiI")
_BATCH: Final = struct.Struct("<IIIIII8x")
_FAULT: Final = struct.Struct("<16I")
_CLOCK: Final = struct.Struct("<4I")
_DLTENSOR: Final = struct.Struct("<IiiiBBHII4xQ")
TASK_BYTES: Final = _TASK.size
BATCH_BYTES: Final = _BATCH.size
FAULT_BYTES: Final = _FAULT.size
CLOCK_BYTES: Final = _CLOCK.size
_DL_CPU: Final = 1
_DTYPE_CODES: Final = {"i": 0, "u": 1, "f": 2, "b": 6}


class TaskState(IntEnum):
    """enum usim_task_state."""

    WAITING = 0
    RUNNING = 1
    DONE = 2
    FAILED = 3
    STACK_OVERFLOW = 4
    GUARD_BROKEN = 5
    NULL_WRITE = 6


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """usim_task_t. `state`, `status` and `cycles` are the device's answer."""

    function: int
    arguments: int
    core_words: int
    float_words: int
    returns_status: bool
    guards: int = 0
    guard_count: int = 0
    state: TaskState = TaskState.WAITING
    status: int = 0
    cycles: int = 0

    def pack(self) -> bytes:
        """The record's 32 bytes."""
        return _TASK.pack(
            self.function | 1,
            self.arguments,
            self.core_words,
            self.float_words,
            int(self.returns_status),
            self.guard_count,
            self.guards,
            self.state,
            self.status,
            self.cycles,
        )


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What the runtime wrote back into a task's record."""

    state: TaskState
    status: int
    cycles: int


@dataclass(frozen=True, slots=True)
class BatchResult:
    """usim_batch_t and the task records behind it, after a run."""

    current: int
    last_error: int
    workspace_peak_bytes: int
    faulted: bool
    tasks: tuple[TaskResult, ...]


def pack_batch_header(task_count: int) -> bytes:
    """usim_batch_t as the host writes it."""
    return _BATCH.pack(BATCH_MAGIC, task_count, 0, 0, 0, 0)


def unpack_batch(data: bytes, task_count: int) -> BatchResult | None:
    """Read back what pack_batch_header and TaskRecord.pack wrote, with the device's answers.

    None if it can't be what the runtime left, because a task has written over it.
    """
    magic, count, current, last_error, peak, faulted = _BATCH.unpack_from(data)
    if magic != BATCH_MAGIC or count != task_count or current > count:
        return None
    tasks = []
    for index in range(count):
        *_, state, status, cycles = _TASK.unpack_from(data, BATCH_BYTES + index * TASK_BYTES)
        done = state == TaskState.DONE
        if state > max(TaskState) or (done if index > current else index < current and not done):
            return None
        tasks.append(TaskResult(TaskState(state), status, cycles))
    return BatchResult(current, last_error, peak, bool(faulted), tuple(tasks))


def pack_config(
    batch: int,
    task_stack: tuple[int, int],
    handler_stack_top: int,
    pools: Sequence[tuple[int, int]],
    *,
    caches: bool = False,
    null_guard: bool = False,
) -> bytes:
    """usim_config_t: addresses, and the workspace's pools as (base, size in bytes)."""
    padded = [*pools, *[(0, 0)] * (MAX_POOLS - len(pools))]
    flat = [value for pool in padded[:MAX_POOLS] for value in pool]
    flags = int(caches) | int(null_guard) << 1
    return struct.pack(
        "<15I", batch, *task_stack, handler_stack_top, min(len(pools), MAX_POOLS), *flat, flags, 0
    )


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """usim_fault_t: what the fault handler on the device kept (Armv7-M ARM, B3.2.15 to B3.2.18).

    `sp` is the stack pointer before the fault. The stacked registers are None if stacking failed.
    """

    exception: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int
    exc_return: int
    sp: int
    registers: dict[str, int] | None = field(hash=False)

    @property
    def pc(self) -> int | None:
        """Address of the instruction that faulted, where the core knows it."""
        return self.registers["pc"] if self.registers else None


def unpack_fault(data: bytes) -> FaultRecord:
    """Read usim_fault_t."""
    values = _FAULT.unpack(data)
    names = ("r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr")
    registers = dict(zip(names, values[7:15], strict=True)) if values[15] else None
    exception, cfsr, hfsr, mmfar, bfar, exc_return, sp = values[:7]
    return FaultRecord(exception, cfsr, hfsr, mmfar, bfar, exc_return, sp, registers)


class ClockFailure(IntEnum):
    """Which step of the clock's set-up failed (enum usim_clock_failure)."""

    READY = 0
    HSI = 1
    PLL_OFF = 2
    OVER_DRIVE = 3
    FLASH = 4
    PLL = 5
    VOLTAGE = 6
    SWITCH = 7
    FAULT = 8


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """usim_clock_t: how the clock's set-up ended, and the registers as they read afterwards."""

    failure: ClockFailure
    cfgr: int
    pllcfgr: int
    flash_acr: int


def unpack_clock(data: bytes) -> ClockRecord | None:
    """Read usim_clock_t; None if that is not what is there."""
    failure, *registers = _CLOCK.unpack(data)
    known = failure in ClockFailure.__members__.values()
    return ClockRecord(ClockFailure(failure), *registers) if known else None


def pack_tensor(address: int, array: np.ndarray | TensorLayout, shape_address: int) -> bytes:
    """A DLTensor (40 bytes) whose shape, int64 each, stands at `shape_address`."""
    dtype = np.dtype(array.dtype)
    return _DLTENSOR.pack(
        address,
        _DL_CPU,
        0,
        len(array.shape),
        _DTYPE_CODES[dtype.kind],
        8 * dtype.itemsize,
        1,
        shape_address,
        0,
        0,
    )


@dataclass(frozen=True, slots=True)
class TensorLayout:
    """What a DLTensor says of a tensor, without its data."""

    shape: tuple[int, ...]
    dtype: np.dtype


def supported_dtype(dtype: np.dtype) -> bool:
    """Whether a tensor on the device can have this element type."""
    return dtype.kind in _DTYPE_CODES and dtype.itemsize <= 8


class ArgumentWords:
    """Distributes a call's arguments over core words and float registers as the AAPCS does."""

    def __init__(self) -> None:
        self.core: list[int] = []
        self._float_bits: list[int | None] = [None] * FLOAT_REGISTERS
        self._stack: list[int] = []

    def add_word(self, value: int) -> None:
        """A pointer or an integer of up to 32 bits."""
        if len(self.core) < MINIMUM_CORE_WORDS:
            self.core.append(value & 0xFFFF_FFFF)
        else:
            self._stack.append(value & 0xFFFF_FFFF)

    def add_double_word(self, value: int) -> None:
        """A 64-bit integer: an even register pair, or the stack at a multiple of 8 bytes."""
        low, high = value & 0xFFFF_FFFF, value >> 32 & 0xFFFF_FFFF
        if len(self.core) % 2:
            self.core.append(0)
        if len(self.core) < MINIMUM_CORE_WORDS:
            self.core += [low, high]
        else:
            self._push_aligned(low, high)

    def add_float(self, value: float) -> None:
        """A float: the lowest free single-precision register (back-filling), or the stack."""
        (bits,) = struct.unpack("<I", struct.pack("<f", value))
        free = [i for i, used in enumerate(self._float_bits) if used is None]
        if free and not self._stack_has_floats:
            self._float_bits[free[0]] = bits
        else:
            self._stack.append(bits)
            self._stack_has_floats = True

    def add_double(self, value: float) -> None:
        """A double: the lowest free double-precision register, or the stack."""
        low, high = struct.unpack("<II", struct.pack("<d", value))
        for i in range(0, FLOAT_REGISTERS, 2):
            if self._float_bits[i] is None and self._float_bits[i + 1] is None:
                if self._stack_has_floats:
                    break
                self._float_bits[i : i + 2] = [low, high]
                return
        self._push_aligned(low, high)
        self._stack_has_floats = True

    _stack_has_floats = False

    def _push_aligned(self, low: int, high: int) -> None:
        if len(self._stack) % 2:
            self._stack.append(0)
        self._stack += [low, high]

    @property
    def core_words(self) -> list[int]:
        """r0-r3, then the stack's words; at least four."""
        return self.core + [0] * (MINIMUM_CORE_WORDS - len(self.core)) + self._stack

    @property
    def float_words(self) -> list[int]:
        """s0-s15, or nothing if no float is passed in a register."""
        if all(bits is None for bits in self._float_bits):
            return []
        return [bits or 0 for bits in self._float_bits]
