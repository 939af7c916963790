"""The emulated chip under a debugger: served over JTAG, and to gdb."""
