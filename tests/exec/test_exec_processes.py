"""`usim exec` as a process: sockets, standard input, Ctrl-C, gdb."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

TIMEOUT_S = 60
GDB = shutil.which("gdb-multiarch") or shutil.which("arm-none-eabi-gdb")
needs_gdb = pytest.mark.skipif(
    GDB is None, reason="no gdb for Arm: install gdb-multiarch (Debian) or arm-none-eabi-gdb"
)


@contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "usim", "exec", *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    alarm = threading.Timer(TIMEOUT_S, process.kill)
    alarm.start()
    try:
        yield process
    finally:
        alarm.cancel()
        process.kill()
        process.communicate()


def port_of(process: subprocess.Popen[bytes], name: str) -> int:
    for line in process.stderr:
        if found := re.search(rf"{name} .*127\.0\.0\.1:(\d+)$".encode(), line.strip()):
            return int(found[1])
    raise AssertionError(f"it does not say where it listens for {name}")


def read_until(client: socket.socket, end: bytes) -> bytes:
    seen = b""
    while not seen.endswith(end):
        more = client.recv(1)
        assert more, seen
        seen += more
    return seen


def test_a_client_talks_with_the_firmware_through_a_socket(shell_elf):
    with running(shell_elf, "--uart", "usart1=tcp:127.0.0.1:0") as process:
        port = port_of(process, "usart1")
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as client:
            # What was sent before is kept for it.
            assert read_until(client, b"\n") == b"ready\r\n"
            client.sendall(b"hi\r")
            assert read_until(client, b"\n") == b"you said hi\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as second:
            second.sendall(b"q4\r")
            assert process.wait(TIMEOUT_S) == 4


def test_standard_input_goes_to_the_firmware(shell_elf):
    with running("--quiet", shell_elf) as process:
        assert process.stdout.readline() == b"ready\r\n"
        process.stdin.write(b"typed\r")
        process.stdin.flush()
        assert process.stdout.readline() == b"you said typed\r\n"
        _, stderr = process.communicate(b"q3\r", TIMEOUT_S)
    assert process.returncode == 3
    assert stderr == b""


def test_with_a_script_standard_input_is_left_alone(shell_elf):
    with running("--quiet", shell_elf, "--expect", "ready", "--for", "2ms") as process:
        stdout, _ = process.communicate(b"piped\r", TIMEOUT_S)
    assert (process.returncode, stdout) == (0, b"ready\r\n")


def test_ctrl_c_ends_the_run_with_a_summary(shell_elf):
    with running(shell_elf) as process:
        assert process.stdout.readline() == b"ready\r\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert b"Ended         interrupted" in stderr
    assert b"Traceback" not in stderr


@needs_gdb
def test_gdb_debugs_while_the_usarts_work(shell_elf):
    with running(shell_elf, "--gdb", 0, "--uart", "usart1") as process:
        port = port_of(process, "gdb")
        commands = [
            f"target remote 127.0.0.1:{port}", "print $pc", "tbreak main", "continue",
            "print zero", "kill",
        ]  # fmt: skip
        gdb = subprocess.run(
            [GDB, "-nx", "-batch", *(part for text in commands for part in ("-ex", text)),
             str(shell_elf)],
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert "<Reset_Handler>" in gdb.stdout
        assert "main ()" in gdb.stdout
        assert "$2 = 0" in gdb.stdout
        # Another gdb lets it run to its end.
        subprocess.run(
            [GDB, "-nx", "-batch", "-ex", f"target remote 127.0.0.1:{port}", "-ex", "detach",
             str(shell_elf)],
            capture_output=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        assert process.stdout.readline() == b"ready\r\n"
        process.stdin.write(b"hello\r")
        process.stdin.flush()
        assert process.stdout.readline() == b"you said hello\r\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, stderr


def test_a_gdb_port_in_use_is_one_line(shell_elf, run_exec):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run_exec(shell_elf, "--gdb", taken.getsockname()[1])
    assert result.exit_code == 1
    assert re.fullmatch(r"error: cannot listen on 127.0.0.1:\d+ for gdb: .*\n", result.stderr)


def test_gdb_and_a_script_do_not_go_together(shell_elf, run_exec):
    result = run_exec(shell_elf, "--gdb", 0, "--expect", "ready")
    assert result.exit_code == 2
    assert "no --expect, --send, --for" in result.stderr
