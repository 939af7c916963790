"""What exceptions are called, interrupt lines by what drives them in the platform file."""

from __future__ import annotations

from typing import Final

from usim.devices.nvic import FIRST_LINE
from usim.repl import PlatformFile

_NAMES: Final = {
    2: "NMI",
    3: "HardFault",
    4: "MemManage",
    5: "BusFault",
    6: "UsageFault",
    11: "SVCall",
    12: "DebugMonitor",
    14: "PendSV",
    15: "SysTick",
}


def exception_name(number: int, machine: PlatformFile) -> str:
    """For instance "SysTick", "IRQ 37 (usart1)"."""
    if number < FIRST_LINE:
        return _NAMES.get(number, f"exception {number}")
    line = number - FIRST_LINE
    drivers = [
        peripheral.name
        for peripheral in machine.peripherals
        if any(wire.receiver == "nvic" and wire.input == line for wire in peripheral.connections)
    ]
    return f"IRQ {line} ({', '.join(drivers)})" if drivers else f"IRQ {line}"
