"""Starts qemu-system-arm with a gdb stub on a socket of ours, and sees to it that it ends."""

from __future__ import annotations

import shutil
from typing import Final

from usim.devices.child_process import ChildProcess
from usim.errors import DeviceError

COMMAND: Final = "qemu-system-arm"
HOW_TO_GET: Final = "Debian and Ubuntu: apt install qemu-system-arm; macOS: brew install qemu"
_OPTIONS: Final = ("-nodefaults", "-no-user-config", "-display", "none", "-S")
# The stub's socket is QEMU's descriptor 3.
_STUB: Final = ("-chardev", "socket,id=gdb,fd=3", "-gdb", "chardev:gdb")


class QemuProcess(ChildProcess):
    """A running QEMU. `link` is the socket that its gdb stub serves."""

    def __init__(self, *options: str) -> None:
        path = shutil.which(COMMAND)
        if path is None:
            raise DeviceError(f"{COMMAND} is not on the PATH; {HOW_TO_GET}")
        super().__init__(COMMAND, [path, *_OPTIONS, *_STUB, *options], "</dev/null 3>&1 >&2")
