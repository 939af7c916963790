"""Debian's OpenOCD with its own target/stm32f7x.cfg, at the emulated chip's JTAG."""

from __future__ import annotations

import shutil
import subprocess

import pytest

# remote_bitbang has no speed, which the target's script sets at a reset and then complains.
_QUIET_RESET = "stm32f7x.cpu configure -event reset-start {}"
_NO_SERVERS = "bindto 127.0.0.1; gdb_port disabled; telnet_port disabled; tcl_port disabled"


def adapter(port: int) -> str:
    return (
        "adapter driver remote_bitbang; remote_bitbang host 127.0.0.1; "
        f"remote_bitbang port {port}; transport select jtag"
    )


class OpenOcd:
    """Runs of OpenOCD on one port."""

    def __init__(self, port: int) -> None:
        command = shutil.which("openocd")
        if command is None:
            pytest.skip("openocd is not installed")
        self.port = port
        self._command = [command, "-c", adapter(port), "-f", "target/stm32f7x.cfg"]
        self._command += ["-c", _NO_SERVERS, "-c", _QUIET_RESET, "-c", "init"]

    def run(self, *commands: str, fails: bool = False) -> str:
        """What it says while it obeys; its last word is that it was told to shut down."""
        words = [word for command in (*commands, "shutdown") for word in ("-c", command)]
        done = subprocess.run(
            [*self._command, *words], capture_output=True, text=True, timeout=60, check=False
        )
        said = done.stderr + done.stdout
        assert (done.returncode != 0) is fails, said
        return said

    def ask(self, *commands: str, want: str) -> list[int]:
        """The numbers that the Tcl expression `want` gives after the commands."""
        said = self.run(*commands, f"echo answer:[{want}]")
        answers = [line for line in said.splitlines() if line.startswith("answer:")]
        assert answers, said
        return [int(word, 0) for word in answers[-1].removeprefix("answer:").split()]


def put(address: int, code: bytes) -> str:
    """The command that writes bytes."""
    return f"write_memory {address:#x} 8 {{{' '.join(str(byte) for byte in code)}}}"
