"""The peripherals of a chip on the embedded device, as its Renode platform file lists them."""

from __future__ import annotations

from usim.devices.peripherals.base import Peripheral, RegisterBlock
from usim.devices.peripherals.bus import PeripheralBus, TraceRecord, Window
from usim.devices.peripherals.chip import ChipPeripherals, build_peripherals
from usim.devices.peripherals.chip_makers import USART_TYPE
from usim.devices.peripherals.reset_cause import ResetCause
from usim.devices.peripherals.simulated_time import SimulatedTime

__all__ = [
    "USART_TYPE",
    "ChipPeripherals",
    "Peripheral",
    "PeripheralBus",
    "RegisterBlock",
    "ResetCause",
    "SimulatedTime",
    "TraceRecord",
    "Window",
    "build_peripherals",
]
