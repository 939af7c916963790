"""The backend openocd: a chip on a debug probe, through OpenOCD's Tcl interface."""

from usim.devices.openocd.device import OpenOcdDevice

__all__ = ["OpenOcdDevice"]
