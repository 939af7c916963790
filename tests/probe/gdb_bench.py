"""A chip served to gdb in this process, and real gdbs that debug it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from firmware import build

from usim.platforms import load_platform
from usim.probe.chip import EmulatedChip
from usim.probe.gdb_server import listen_for_gdb
from usim.probe.server import LOOPBACK, ChipServer

SOURCES = Path(__file__).parent / "data"
TIMEOUT_S = 60
GDB = shutil.which("gdb-multiarch") or shutil.which("arm-none-eabi-gdb")
needs_gdb = pytest.mark.skipif(
    GDB is None, reason="no gdb for Arm: install gdb-multiarch (Debian) or arm-none-eabi-gdb"
)
_QUIET = ["-nx", "-q", "-ex", "set pagination off", "-ex", "set confirm off", "-ex", "set width 0"]


def write_firmware(folder: Path) -> Path:
    """data/debugged.c with start-up code, not optimized: every variable is where it says."""
    path = folder / "debugged.elf"
    source = (SOURCES / "debugged.c").read_text(encoding="utf-8")
    path.write_bytes(build(source, "debugged.c", flags=("-O0",)))
    return path


class Bench:
    """A served chip. Only its own thread touches it while it is served."""

    def __init__(self, chip: EmulatedChip, port: int) -> None:
        self.chip = chip
        self.port = port

    def gdb(self, program: Path | None, *commands: str, remote: str = "remote") -> str:
        """What gdb prints that connects, executes the commands and quits."""
        return run_gdb(self.port, program, *commands, remote=remote)

    def interactive_gdb(
        self, program: Path | None, *commands: str
    ) -> AbstractContextManager[InteractiveGdb]:
        """A connected gdb that executes the commands, and waits for more."""
        return InteractiveGdb.connected(self.port, program, *commands)


def run_gdb(port: int, program: Path | None, *commands: str, remote: str = "remote") -> str:
    """What a gdb prints that connects, executes the commands and quits."""
    process = subprocess.Popen(
        [*_command(port, program, remote), "-batch", *_each(commands)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=TIMEOUT_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"gdb hangs:\n{process.communicate()[0]}") from None


class InteractiveGdb:
    """A gdb that takes commands one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._alarm = threading.Timer(TIMEOUT_S, process.kill)
        self._alarm.start()

    @staticmethod
    @contextmanager
    def connected(port: int, program: Path | None, *commands: str) -> Iterator[InteractiveGdb]:
        """One that connects and executes the commands."""
        process = subprocess.Popen(
            [*_command(port, program, "remote"), *_each(commands)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        gdb = InteractiveGdb(process)
        try:
            yield gdb
        finally:
            gdb.end()

    def send(self, command: str) -> None:
        """Type a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def read_until(self, text: str) -> str:
        """Everything up to the line with `text`."""
        assert self._process.stdout is not None
        seen = ""
        for line in self._process.stdout:
            seen += line
            if text in line:
                return seen
        raise AssertionError(f"gdb ended, or was ended, without {text!r}:\n{seen}")

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """As if its machine had crashed, but for the socket."""
        self._process.kill()

    def end(self) -> None:
        """End it, whatever state it is in."""
        self._process.kill()
        self._process.wait()
        self._alarm.cancel()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def served_chip(timing: str = "count") -> Iterator[Bench]:
    """A chip that a thread serves on a free port until the end."""
    stop_reads, stop_writes = os.pipe()
    platform = load_platform("stm32f746")
    with EmulatedChip(platform, timing) as chip, closing(ChipServer(chip)) as server:
        port = listen_for_gdb(server, (LOOPBACK, 0))
        server.stop_at_end_of(stop_reads)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield Bench(chip, port)
        finally:
            os.close(stop_writes)
            thread.join(TIMEOUT_S)
            os.close(stop_reads)


def wait_until(condition, what: str) -> None:
    """Wait for what another thread brings about."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(0.001)


def _each(commands: tuple[str, ...]) -> list[str]:
    return [word for command in commands for word in ("-ex", command)]


def _command(port: int, program: Path | None, remote: str) -> list[str]:
    assert GDB is not None
    programs = [] if program is None else [str(program)]
    connect = f"target {remote} {LOOPBACK}:{port}"
    return [GDB, *_QUIET, "-ex", f"directory {SOURCES}", *programs, "-ex", connect]
