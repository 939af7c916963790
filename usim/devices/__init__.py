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
    "openocd": "usim.devices.openocd:OpenOcdDevice",
    "renode": "usim.devices.renode:RenodeDevice",
}


def make_device(
    backend: str, platform: Platform, timing: Timing = "count", *, openocd: str | None = None
) -> Device:
    """Construct (not open) the device of a backend; DeviceError if there is no such backend.

    `timing` is for devices that model time; `openocd` says where backend openocd finds its OpenOCD.
    """
    if backend not in BACKENDS:
        raise DeviceError(f"no backend {backend!r}; there are: {', '.join(BACKENDS)}")
    options = {} if openocd is None else {"openocd": openocd}
    if options and backend != "openocd":
        raise DeviceError(f"openocd={openocd!r} is for backend openocd, not for {backend}")
    module, _, name = BACKENDS[backend].partition(":")
    device = getattr(import_module(module), name)(platform, timing, **options)
    assert isinstance(device, Device)
    return device
