"""`usim serve --gdb`: the command, and gdb beside OpenOCD on one chip."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gdb_bench import TIMEOUT_S, InteractiveGdb, needs_gdb, run_gdb, write_firmware

needs_openocd = pytest.mark.skipif(
    shutil.which("openocd") is None, reason="no openocd: install it (Debian: openocd)"
)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_firmware(tmp_path_factory.mktemp("gdb"))


@contextmanager
def serving(*options: str | Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "usim", "serve", *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    alarm = threading.Timer(TIMEOUT_S, process.kill)
    alarm.start()
    try:
        yield process
    finally:
        alarm.cancel()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def port_of(process: subprocess.Popen[str], name: str) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(rf"listens for {name}.* on 127\.0\.0\.1:(\d+)$", line):
            return int(found[1])
    raise AssertionError(f"it does not say where it listens for {name}")


@needs_gdb
def test_an_image_waits_halted_at_its_reset_and_ctrl_c_ends_the_server(firmware):
    with serving("--gdb", 0, "--image", firmware, "--timing", "full") as process:
        port = port_of(process, "gdb")
        seen = run_gdb(port, firmware, "print $pc", "monitor cycles", "tbreak main", "continue")
        assert "<Reset_Handler>" in seen
        assert "0 cycles (modelled, full)" in seen
        assert "Temporary breakpoint 1, main ()" in seen
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0
        assert "Traceback" not in rest


@needs_gdb
def test_a_busy_port_is_one_line(firmware):
    with serving("--gdb", 0) as process:
        port = port_of(process, "gdb")
        with serving("--gdb", port) as second:
            said, _ = second.communicate(timeout=TIMEOUT_S)
        assert second.returncode == 1
        assert re.fullmatch(rf"error: cannot listen on 127.0.0.1:{port} for gdb: .*\n", said)


@needs_gdb
@needs_openocd
def test_openocd_and_gdb_debug_one_chip_at_the_same_time(firmware):
    with serving("--jtag", 0, "--gdb", 0, "--image", firmware) as process:
        jtag, port = port_of(process, "JTAG"), port_of(process, "gdb")
        with InteractiveGdb.connected(
            port, firmware, "tbreak main", "continue", "set var level = 6"
        ) as gdb:
            gdb.send("continue")
            gdb.read_until("spinning")
            done = subprocess.run(
                [
                    "openocd", "-c", "adapter driver remote_bitbang",
                    "-c", f"remote_bitbang host 127.0.0.1; remote_bitbang port {jtag}",
                    "-c", "transport select jtag; gdb_port disabled; telnet_port disabled",
                    "-c", "tcl_port disabled", "-f", "target/stm32f7x.cfg",
                    "-c", "init; halt; shutdown",
                ],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S,
                check=False,
            )  # fmt: skip
            assert re.search(r"pc: 0x0800", done.stdout), done.stdout
            # gdb is told that another debugger halted the core, and goes on from there.
            assert "SIGINT" in gdb.read_until("SIGINT")
            gdb.send("backtrace 1")
            assert "spin ()" in gdb.read_until("#0")
