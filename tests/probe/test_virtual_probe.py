"""The processes that serve a chip: when they start, whom they let in, when they end."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openocd_runs import OpenOcd

from usim.errors import DeviceError
from usim.platforms import load_platform
from usim.probe import VirtualProbe

_SECONDS = 30.0


def ends(process_id: int) -> bool:
    """Whether a process that need not be our child is gone within a while."""
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], _SECONDS)[0])
    finally:
        os.close(handle)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_close_ends_the_child_and_gives_the_port_back() -> None:
    probe = VirtualProbe(load_platform("stm32f746"))
    probe.close()
    probe.open()
    child, port = probe.process_id, probe.port
    assert probe.alive
    with socket.create_connection(("127.0.0.1", port)):
        probe.close()  # with a client connected
    assert not probe.alive
    assert ends(child)
    assert is_free(port)
    probe.close()


def test_a_child_that_does_not_start_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "stm32f746"
    shutil.copytree(load_platform("stm32f746").folder, folder)
    probe = VirtualProbe(load_platform(folder))
    shutil.rmtree(folder)
    with pytest.raises(DeviceError, match="the virtual probe did not start: no platform descript"):
        probe.open()
    assert not probe.alive


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system has no pidfd_open")
def test_no_child_outlives_its_parent() -> None:
    script = (
        "import sys, time\n"
        "from usim.platforms import load_platform\n"
        "from usim.probe import VirtualProbe\n"
        "probe = VirtualProbe(load_platform('stm32f746'))\n"
        "probe.open()\n"
        "print(probe.process_id, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    assert ends(child)


def test_a_second_client_is_turned_away_and_the_first_stays(
    probe: VirtualProbe, openocd: OpenOcd
) -> None:
    with socket.create_connection(("127.0.0.1", probe.port), _SECONDS) as first:
        first.sendall(b"R")
        assert first.recv(1) == b"1"
        with (
            socket.create_connection(("127.0.0.1", probe.port), _SECONDS) as second,
            contextlib.suppress(ConnectionResetError),
        ):
            second.sendall(b"R")
            assert second.recv(1) == b""
        first.sendall(b"R")
        assert first.recv(1) == b"1"
    openocd.run("halt")  # and when it has gone, the next one may come


class Served:
    """A running `usim serve`."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "usim", "serve", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        self.command = self.process.stdout.readline()

    @property
    def port(self) -> int:
        found = re.search(r"127\.0\.0\.1:(\d+)$", self.first_line.strip())
        assert found, self.first_line
        return int(found[1])


@pytest.fixture
def served() -> Iterator[Served]:
    server = Served("--jtag", "0")
    yield server
    server.process.kill()
    server.process.communicate()


def test_serve_prints_a_command_that_connects(served: Served) -> None:
    if shutil.which("openocd") is None:
        pytest.skip("openocd is not installed")
    servers_off = "gdb_port disabled; telnet_port disabled; tcl_port disabled"
    done = subprocess.run(
        f"{served.command.strip()} -c '{servers_off}; init; halt; shutdown'",
        shell=True,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Cortex-M7 r0p1 processor detected" in done.stderr


def test_serve_ends_cleanly_at_an_interrupt(served: Served) -> None:
    served.process.send_signal(signal.SIGINT)
    said, complaints = served.process.communicate(timeout=_SECONDS)
    assert (served.process.returncode, said, complaints) == (0, "", "")
    assert is_free(served.port)


def test_a_busy_port_is_one_line(served: Served) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "usim", "serve", "--jtag", str(served.port)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr == (
        f"error: cannot listen on 127.0.0.1:{served.port} for JTAG: address already in use; choose "
        "another port (0: any that is free), or another address\n"
    )


def test_serve_refuses_what_is_no_program_before_it_listens(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a program", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "usim", "serve", "--jtag", "0", "--image", str(text)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: notes.txt is not an ELF file")
    assert done.stderr.count("\n") == 1
