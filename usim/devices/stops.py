"""Why instructions stopped, and how Unicorn and the native counter say so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from usim.timing.counter import StopReason


class StopKind(Enum):
    """Why instructions stopped."""

    REACHED = auto()  # the address asked for is next
    SLICE = auto()  # the instruction budget is spent
    SVC = auto()
    BKPT = auto()
    EXCEPTION_RETURN = auto()
    SLEEP = auto()  # wfi or wfe, and nothing is scheduled that could end it
    WAIT_FOR_EVENT = auto()  # wfe
    EVENT = auto()  # the time asked for has come
    INTERRUPT = auto()  # an exception that waits may be taken
    ACCESS_DENIED = auto()  # a load or store that the memory protection unit denies
    EXECUTE_DENIED = auto()
    NO_COPROCESSOR = auto()  # an instruction of a coprocessor that is not there or off (CPACR)
    HALTED = auto()  # the host asked for it
    USES_FPU = auto()  # a floating-point instruction is next, and was to be stopped at
    RESET = auto()  # the program or a watchdog asks for a system reset
    DIVIDE_BY_ZERO = auto()
    UNALIGNED = auto()  # an exclusive access; Unicorn lets other unaligned ones pass
    UNDEFINED = auto()
    READ = auto()  # no memory there to read
    WRITE = auto()  # ... or to write, or it is read-only
    PRECISE_WRITE = auto()  # a store that the core knows to be wrong before it leaves
    FETCH = auto()
    WAITING = auto()  # maybe in a loop that waits: the registers are as they were here before
    WATCHED = auto()  # behind an access to `address`, which is watched


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop at `pc`; `address` is what a memory access or a return asked for."""

    kind: StopKind
    pc: int
    address: int = 0


KINDS: Final = {
    StopReason.NONE: StopKind.SLEEP,
    StopReason.ADDRESS_REACHED: StopKind.REACHED,
    StopReason.BUDGET_SPENT: StopKind.SLICE,
    StopReason.WATCHED: StopKind.WATCHED,
    StopReason.DIVIDED_BY_ZERO: StopKind.DIVIDE_BY_ZERO,
    StopReason.EVENT_DUE: StopKind.EVENT,
    StopReason.INTERRUPTED: StopKind.INTERRUPT,
    StopReason.EXECUTE_DENIED: StopKind.EXECUTE_DENIED,
    StopReason.ACCESS_DENIED: StopKind.ACCESS_DENIED,
    StopReason.IS_UNALIGNED: StopKind.UNALIGNED,
    StopReason.WAITING: StopKind.WAITING,
}
# The exception numbers that Unicorn reports for an M-profile core.
INTERRUPTS: Final = {
    2: StopKind.SVC,
    3: StopKind.FETCH,  # from where the architecture lets nothing be executed
    4: StopKind.UNALIGNED,
    7: StopKind.BKPT,
    8: StopKind.EXCEPTION_RETURN,
    17: StopKind.NO_COPROCESSOR,
}
NOT_EXECUTED: Final = frozenset(
    {StopKind.FETCH, StopKind.UNALIGNED, StopKind.BKPT, StopKind.NO_COPROCESSOR}
)
