"""The emulated chip under a debugger: served over JTAG, and to gdb."""

from usim.probe.virtual_probe import VirtualProbe

__all__ = ["VirtualProbe"]
