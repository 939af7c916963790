"""The native instruction counter: built once for this machine, called for every block."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from usim.timing.native_library import native_library

# As many as counter.h has room for.
MAX_BREAKPOINTS: Final = 64
MAX_WATCHPOINTS: Final = 16


class StopReason(IntEnum):
    """Why the native side ended a run."""

    NONE = 0
    BUDGET_SPENT = 1
    ADDRESS_REACHED = 2
    NEW_BLOCK = 3
    DIVIDED_BY_ZERO = 4
    INSIDE_IT_BLOCK = 5
    WATCHED = 6
    EVENT_DUE = 7
    EVENT_INSIDE = 8
    INTERRUPTED = 9
    USES_FPU = 10
    ACCESS_DENIED = 11
    EXECUTE_DENIED = 12
    IS_UNALIGNED = 13
    WAITING = 14


class Entered(IntEnum):
    """How the next block was left before it ran."""

    NOT = 0
    CHECKED = 1
    COUNTED = 2


# Lower than the priority of any exception.
NOT_PENDING: Final = 256
_NEVER: Final = (1 << 64) - 1
_NOWHERE: Final = 1  # no address of an instruction


class InspectReason(IntFlag):
    """Why a block that is new must be looked at before it runs."""

    DIVISION = 1
    REGISTERS = 2  # its code makes a pointer to registers
    ACCESSES = 4
    POINTERS = 8  # a core register holds one
    SEND_EVENT = 16
    MULTIPLE = 64  # its code loads or stores several words
    AGAIN = 128  # hooks were taken away that it may have had
    SPECIAL = 32  # its code reads or writes CONTROL, or sets FAULTMASK


class Watched(IntFlag):
    """Which accesses a watchpoint is for."""

    READS = 1
    WRITES = 2


@dataclass(frozen=True, slots=True)
class Watchpoint:
    """Memory whose accesses by the program end a run."""

    address: int
    size_bytes: int
    accesses: Watched


class _Watch(ctypes.Structure):
    _fields_ = (
        ("first", ctypes.c_uint32),
        ("last", ctypes.c_uint32),
        ("accesses", ctypes.c_uint32),
    )


class _Counter(ctypes.Structure):
    """The head of counter_t in counter.c; the table behind it is the native side's own."""

    _fields_ = (
        ("engine", ctypes.c_void_p),
        ("emu_stop", ctypes.c_void_p),
        ("mem_read", ctypes.c_void_p),
        ("reg_read", ctypes.c_void_p),
        ("instructions", ctypes.c_uint64),
        ("budget", ctypes.c_uint64),
        ("block_address", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("stop_address", ctypes.c_uint32),
        ("stop_reason", ctypes.c_uint32),
        ("trap_divide_by_zero", ctypes.c_uint32),
        ("stopped_inside", ctypes.c_uint32),
        ("register_ids", ctypes.c_int32 * 16),
        ("timer", ctypes.c_void_p),
        ("inspect_all", ctypes.c_uint32),
        ("accessing", ctypes.c_uint32),
        ("inspect_reasons", ctypes.c_uint32),
        ("breakpoint_count", ctypes.c_uint32),
        ("breakpoints", ctypes.c_uint32 * MAX_BREAKPOINTS),
        ("reg_write", ctypes.c_void_p),
        ("watched", ctypes.c_uint32),
        ("watch_count", ctypes.c_uint32),
        ("watches", _Watch * MAX_WATCHPOINTS),
        ("event_at", ctypes.c_uint64),
        ("pending_priority", ctypes.c_int32),
        ("group_mask", ctypes.c_uint32),
        ("changed", ctypes.c_uint32),
        ("inside_stop", ctypes.c_uint32),
        ("entered", ctypes.c_uint32),
        ("traps_fpu", ctypes.c_uint32),
        ("event_register", ctypes.c_uint32),
        ("counts_cycles", ctypes.c_uint32),
        ("checks_alignment", ctypes.c_uint32),
        ("traps_unaligned", ctypes.c_uint32),
        ("protection", ctypes.c_void_p),
        ("waiting", ctypes.c_void_p),
        ("counting_reads", ctypes.c_uint64),
        ("course_count", ctypes.c_uint32),
        ("hooks", ctypes.c_uint32),
        ("hook_steps", ctypes.c_uint64),
    )


def _address_of(function: object) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


class InstructionCounter:
    """Counts instructions exactly, and ends runs at an address or after a number of them."""

    def __init__(self, unicorn: ctypes.CDLL, engine: int, register_ids: list[int]) -> None:
        self._library = native_library()
        self._memory = ctypes.create_string_buffer(self._library.usim_counter_size())
        self._state = _Counter.from_buffer(self._memory)
        self._state.engine = engine
        self._emu_stop = unicorn.uc_emu_stop
        self._state.emu_stop = _address_of(unicorn.uc_emu_stop)
        self._state.mem_read = _address_of(unicorn.uc_mem_read)
        self._state.reg_read = _address_of(unicorn.uc_reg_read)
        self._state.reg_write = _address_of(unicorn.uc_reg_write)
        self._state.register_ids[:] = register_ids
        self._state.pending_priority = NOT_PENDING
        self._state.event_at = _NEVER
        self._state.inside_stop = _NOWHERE
        self.forget()

    @property
    def library(self) -> ctypes.CDLL:
        """The native code, counter and timer."""
        return self._library

    @property
    def inspect_reasons(self) -> InspectReason:
        """Of the block that StopReason.NEW_BLOCK stopped before."""
        return InspectReason(self._state.inspect_reasons)

    @property
    def accessing(self) -> int:
        """The hooked instruction of the current block that runs or ran last; 0 if none did."""
        return int(self._state.accessing)

    def inspect_new_blocks(self) -> None:
        """Stop before each block that is new, for its accesses to be looked at."""
        self._state.inspect_all = InspectReason.ACCESSES

    def hook_again(self) -> None:
        """Stop before each block, for the hooks to be set again that were taken away."""
        self._library.usim_counter_hook_again(self.pointer)

    @property
    def hooks(self) -> int:
        """How many hooks on single instructions there are."""
        return int(self._state.hooks)

    @hooks.setter
    def hooks(self, count: int) -> None:
        self._state.hooks = count

    @property
    def hook_steps(self) -> int:
        """How many hooks Unicorn has looked at to find those to call; may be set to 0."""
        return int(self._state.hook_steps)

    @hook_steps.setter
    def hook_steps(self, steps: int) -> None:
        self._state.hook_steps = steps

    def attach_timer(self, pointer: int | None) -> None:
        """Have each counted block priced by a native timer as well, or no more."""
        self._state.timer = pointer

    def count_cycles(self) -> None:
        """Let the timer's cycles be the time of events, from now on."""
        self._state.counts_cycles = 1

    def attach_protection(self, pointer: int | None) -> None:
        """Have a native protection unit asked before blocks run, or no more."""
        self._state.protection = pointer

    def attach_loop_finder(self, pointer: int | None) -> None:
        """Have a native finder of waiting loops asked before blocks run, or no more."""
        self._state.waiting = pointer

    @property
    def pointer(self) -> int:
        """The address of the native state, which every callback gets as its user data."""
        return ctypes.addressof(self._state)

    def callback(self, name: str) -> int:
        """The address of one of the native callbacks."""
        return _address_of(getattr(self._library, name))

    @property
    def executed(self) -> int:
        """Instructions executed, the whole of the current block included."""
        return int(self._state.instructions)

    def executed_before(self, pc: int) -> int:
        """Instructions executed before the one at `pc`, which lies in the current block."""
        return self.executed - int(self._library.usim_counter_behind(self.pointer, pc))

    def rewind_to(self, pc: int) -> None:
        """The current block ended before `pc`: take back what it did not execute."""
        self._state.instructions = self.executed_before(pc)
        self._state.block_size = 0

    def stop(self) -> None:
        """End the run, from within a callback."""
        self._emu_stop(self._state.engine)

    def end_soon(self) -> None:
        """End the run at the next block: BUDGET_SPENT."""
        self._state.budget = 0

    def arm(self, stop_address: int, budget: int) -> None:
        """Stop before `stop_address`, or at a block's start after `budget` more instructions."""
        self._state.stop_address = stop_address
        self._state.budget = self._state.instructions + budget
        self._state.stop_reason = StopReason.NONE
        self._state.stopped_inside = 0
        self.forget_courses()

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        """Where runs stop besides the stop address: at most MAX_BREAKPOINTS addresses."""
        self._state.breakpoints[: len(addresses)] = list(addresses)
        self._state.breakpoint_count = len(addresses)

    def set_watchpoints(self, watchpoints: Sequence[Watchpoint]) -> None:
        """What is watched, for the hooks that look: at most MAX_WATCHPOINTS, none of them empty."""
        for place, watchpoint in enumerate(watchpoints):
            last = watchpoint.address + watchpoint.size_bytes - 1
            self._state.watches[place] = _Watch(watchpoint.address, last, watchpoint.accesses)
        self._state.watch_count = len(watchpoints)
        self._state.watched = 0

    def take_watched(self) -> int:
        """The place among the watchpoints of the one that was hit."""
        place: int = self._state.watched - 1
        self._state.watched = 0
        return place

    # Events and exceptions.

    def set_event_time(self, time: int | None) -> None:
        """Stop at the first instruction from then on, in what the counter counts; None: never."""
        self._state.event_at = _NEVER if time is None else max(time, 0)
        self._state.changed = 1
        self.forget_courses()

    @property
    def event_time(self) -> int:
        """What set_event_time was called with."""
        return int(self._state.event_at)

    def forget_courses(self) -> None:
        """What is known of registers that count by themselves may not hold any more."""
        self._state.course_count = 0

    @property
    def counting_reads(self) -> int:
        """Loads that the native side has answered so far."""
        return int(self._state.counting_reads)

    def set_pending(self, priority: int, group_mask: int) -> None:
        """Stop once the masks let an exception of this group priority be taken; or NOT_PENDING.

        `group_mask` has the bits of BASEPRI that decide about preemption.
        """
        self._state.pending_priority = priority
        self._state.group_mask = group_mask
        self._state.changed = 1

    def set_fpu_trap(self, *, enabled: bool) -> None:
        """Whether to stop before blocks that use the floating-point unit."""
        self._state.traps_fpu = int(enabled)

    def check_alignment(self, *, multiple: bool, single: bool) -> None:
        """Which unaligned accesses to stop at: of several words; of one (CCR.UNALIGN_TRP)."""
        if bool(self._state.checks_alignment) != multiple:
            self._state.checks_alignment = int(multiple)
            self._library.usim_counter_look_again(self.pointer)
        self._state.traps_unaligned = int(single)

    def must_be_aligned(self, code: bytes) -> bool:
        """Whether an instruction that begins `code` is one that check_alignment() is about."""
        first, second = (int.from_bytes(code[at : at + 2], "little") for at in (0, 2))
        return bool(self._library.usim_must_be_aligned(first, second))

    def enter_next(self, how: Entered) -> None:
        """The block that runs next has been met before it could run."""
        self._state.entered = how

    def stop_inside_at(self, address: int | None) -> None:
        """Where the run ends inside a block for an event; a hook has to stand there."""
        self._state.inside_stop = _NOWHERE if address is None else address

    def take_event_register(self) -> bool:
        """Whether the event register of WFE was set; it is clear now (B1.5.18)."""
        was_set = bool(self._state.event_register)
        self._state.event_register = 0
        return was_set

    def set_event_register(self) -> None:
        """As SEV, exceptions and events from outside do."""
        self._state.event_register = 1

    def skip(self, instructions: int) -> None:
        """Count instructions that need not be executed, because what they do is known."""
        self._state.instructions += instructions

    @property
    def stop_reason(self) -> StopReason:
        """Why the last run ended."""
        return StopReason(self._state.stop_reason)

    @property
    def stopped_inside(self) -> bool:
        """Whether the last run ended inside a block, which then is counted up to there."""
        return bool(self._state.stopped_inside)

    def set_divide_trap(self, *, enabled: bool) -> None:
        """CCR.DIV_0_TRP: whether a division by zero is a fault."""
        self._state.trap_divide_by_zero = int(enabled)

    @property
    def block(self) -> tuple[int, int]:
        """Address and size of the current block."""
        return self._state.block_address, self._state.block_size

    def holds_code(self, address: int, size_bytes: int) -> bool:
        """Whether code has run that lies near [address, address + size_bytes)."""
        return bool(self._library.usim_counter_holds_code(self.pointer, address, size_bytes))

    def forget(self) -> None:
        """Code has changed: drop what is known of blocks."""
        self._library.usim_counter_forget(self.pointer)
