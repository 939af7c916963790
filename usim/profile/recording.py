"""What a profile is made of: a run's request, its end, and what an open device did in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

from usim.devices.base import CountKind, Timing
from usim.devices.embedded import EmbeddedDevice
from usim.platforms import Platform
from usim.profile.program import Program
from usim.profile.stack import PaintedStack, StackUse
from usim.timing.memory import CacheUse
from usim.timing.timed_block import TimedBlock
from usim.timing.timer import CycleTimer

EndReason = Literal["until", "returned", "exit", "breakpoint", "limit", "endless loop", "asleep",
    "stopped",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """What to run: from the vector table, or `entry` with arguments; and until when."""

    limit: int  # in what the timing counts
    entry: str | None = None
    arguments: tuple[int, ...] = ()
    until: str | None = None
    timing: Timing = "core"


@dataclass(frozen=True, slots=True)
class Ending:
    """What ended the run. `value` is the exit code, or r0 of a function that returned."""

    reason: EndReason
    address: int
    value: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A finished run: sums, blocks as they were timed, the call tree."""

    program: Program
    platform: Platform
    request: Request
    start: int
    vector_table: int | None
    ending: Ending
    count: CountKind
    cycles: int
    instructions: int
    interruption_cycles: int
    blocks: tuple[TimedBlock, ...]
    call_tree: npt.NDArray[Any]
    stack: StackUse | None
    caches: tuple[CacheUse, ...]
    fault: str | None  # the first one, if the program went on after it


class Recorder:
    """Records what a device does from now on, which is about to run a program, until finish()."""

    def __init__(self, device: EmbeddedDevice, program: Program) -> None:
        self._device = device
        self._program = program
        self._timer: CycleTimer = device.recorder()
        self._timer.function_at = self._function_start
        self._timer.keeps_replaced_code = True
        self._start = device.read_register("pc") & ~1
        self._stack = PaintedStack(device, program, device.read_register("sp"))

    def _function_start(self, address: int) -> int:
        function = self._program.function_at(address)
        return function.address if function else 0

    def finish(
        self, request: Request, vector_table: int | None, ending: Ending, fault: str | None
    ) -> Recording:
        """The run is over: what it was; `fault` is the first one that the program went on after."""
        device, timer = self._device, self._timer
        timer.finish()
        return Recording(
            program=self._program,
            platform=device.platform,
            request=request,
            start=self._start,
            vector_table=vector_table,
            ending=ending,
            count=device.capabilities.count,
            cycles=timer.cycles,
            instructions=device.executed_instructions,
            interruption_cycles=timer.interruption_cycles,
            blocks=tuple(timer.blocks()),
            call_tree=timer.call_tree(),
            stack=self._stack.measure(),
            caches=device.cache_use,
            fault=fault,
        )
