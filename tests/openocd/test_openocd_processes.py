"""Backend openocd: what it starts, what it attaches to, and what is left of both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest
from device_programs import TIMEOUT_S, Places, put, run_program
from openocd_servers import serve
from processes import children, is_gone, named
from talk import said

from usim.devices import make_device
from usim.errors import DeviceError
from usim.platforms import load_platform

PLATFORM = load_platform("stm32f746")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
OPENOCD, PROBE = "openocd", "python"


def run_endlessly(device, timeout_s: float = TIMEOUT_S) -> None:
    places = Places.on(device.platform)
    put(device, places.program, "1: b 1b")
    device.write_register("pc", places.program)
    device.run_until(places.park, timeout_s)


@pytest.fixture
def others() -> set[int]:
    """Processes that other tests keep."""
    return set(children(os.getpid()))


@pytest.mark.parametrize(
    ("victim", "message"),
    [(OPENOCD, "openocd ended unexpectedly"), (PROBE, "the probe was lost: is it plugged in")],
)
@pytest.mark.parametrize("use", [lambda device: device.read(0x2000_0000, 4), run_endlessly])
def test_what_died_is_named_and_the_device_can_be_opened_again(
    use, victim, message, others, device
):
    (pid,) = set(named(os.getpid(), victim)) - others
    if use is run_endlessly:
        Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    else:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(DeviceError, match=message):
        use(device)
    with pytest.raises(DeviceError, match=r"OpenOCD has ended: open the device|probe was lost"):
        device.read(0x2000_0000, 4)
    device.open()
    run_program(device, "movs r0, #3")
    assert device.read_register("r0") == 3


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_halts_the_core_and_the_device_goes_on(device):
    Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        run_endlessly(device)
    assert device.read_register("pc") == Places.on(PLATFORM).program
    run_program(device, "movs r0, #4")
    assert device.read_register("r0") == 4


def test_a_killed_python_leaves_neither_openocd_nor_probe():
    program = (
        "import sys\nfrom usim.devices import make_device\n"
        "from usim.platforms import load_platform\n"
        "device = make_device('openocd', load_platform('stm32f746'), openocd='virtual')\n"
        "device.open()\nprint('open', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as python:
        try:
            assert python.stdout is not None
            assert python.stdout.readline() == b"open\n"
            started = children(python.pid)
            assert named(python.pid, OPENOCD)
        finally:
            python.kill()
    assert all(is_gone(pid) for pid in started)


def test_devices_in_a_row_leave_no_process_and_no_descriptor(others):
    device = make_device("openocd", PLATFORM, openocd="virtual")
    device.open()
    device.close()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        device.open()
        device.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert set(children(os.getpid())) == others


def test_an_openocd_that_runs_already_is_attached_to_and_left_as_it_was():
    with serve(PLATFORM) as address:
        for value in (1, 2):
            device = make_device("openocd", PLATFORM, openocd=address)
            device.open()
            if value == 2:
                assert device.read(0x2000_4000, 4) == b"kept"
            run_program(device, f"movs r0, #{value}")
            assert device.read_register("r0") == value
            device.write(0x2000_4000, b"kept")
            device.close()
            assert "background polling: on" in said(address, "poll")


def test_another_openocd_that_dies_is_named(others):
    with serve(PLATFORM) as address:
        device = make_device("openocd", PLATFORM, openocd=address)
        device.open()
        (pid,) = set(named(os.getpid(), OPENOCD)) - others
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(DeviceError, match=f"OpenOCD at {address} has closed the connection"):
            device.read(0x2000_0000, 4)
        device.close()
        with pytest.raises(DeviceError, match=f"no OpenOCD at {address}: Connection refused"):
            device.open()
