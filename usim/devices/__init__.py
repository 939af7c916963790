"""The devices that a Session can run on, in one table; each is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from usim.devices.base import (
    Capabilities,
    Counter,
    CountKind,
    CountUnit,
    Device,
    Timing,
    Transactions,
)
from usim.errors import DeviceError
from usim.platforms import Platform

__all__ = [
    "BACKENDS",
    "Capabilities",
    "CountKind",
    "CountUnit",
    "Counter",
    "Device",
    "Timing",
    "Transactions",
    "make_device",
]

BACKENDS: Final = {
    "embedded": "usim.devices.embedded:EmbeddedDevice",
    "qemu": "usim.devices.qemu:QemuDevice",
    "renode": "usim.devices.renode:RenodeDevice",
}


def make_device(backend: str, platform: Platform, timing: Timing = "count") -> Device:
    """Construct (not open) the device of a backend; DeviceError if there is no such backend.

    `timing` is for devices that model time.
    """
    if backend not in BACKENDS:
        raise DeviceError(f"no backend {backend!r}; there are: {', '.join(BACKENDS)}")
    module, _, name = BACKENDS[backend].partition(":")
    device = getattr(import_module(module), name)(platform, timing)
    assert isinstance(device, Device)
    return device
