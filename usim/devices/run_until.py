"""Runs a core until an address, with a timeout of the host's time, as `Device.run_until` asks."""

from __future__ import annotations

import logging
import time
from typing import Final

from usim.devices.execution import Execution
from usim.devices.stops import StopKind
from usim.errors import DeviceError, DeviceTimeoutError
from usim.formatting import format_address

_LOG = logging.getLogger(__name__)

# Between slices Python looks at the clock and at Ctrl-C; 0.02 to 0.1 s of emulation.
_SLICE_INSTRUCTIONS: Final = 5_000_000
_GOES_ON: Final = frozenset({StopKind.SLICE, StopKind.SLEEP, StopKind.HALTED})


def run_until(execution: Execution, address: int, timeout_s: float) -> None:
    """Take what exceptions come on the way. DeviceTimeoutError, LockupError, or DeviceError."""
    deadline = time.monotonic() + timeout_s
    while True:
        stop = execution.run(address, _SLICE_INSTRUCTIONS)
        if stop.kind is StopKind.REACHED:
            return
        if stop.kind is StopKind.RESET:
            raise DeviceError(
                f"the program asked for a system reset at {format_address(stop.pc)}", pc=stop.pc
            )
        if stop.kind not in _GOES_ON:
            _LOG.debug("%s at %s", stop.kind.name, format_address(stop.pc))
            execution.take(stop)
        if time.monotonic() >= deadline or stop.kind is StopKind.SLEEP:
            asleep = ", asleep (wfi) with no interrupt to come"
            raise DeviceTimeoutError(
                f"{format_address(address)} was not reached within {timeout_s:g} s; "
                f"last pc {format_address(stop.pc)}"
                + (asleep if stop.kind is StopKind.SLEEP else ""),
                pc=stop.pc,
                timeout_s=timeout_s,
            )
