"""The backend renode beyond the contract: what it needs, what ends it, and whole sessions.

Where pyrenode3 is not installed, on a stand-in that was recorded; the tests' names say so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import renode_stand_in
from click.testing import CliRunner

import usim
from usim.cli import usim as command
from usim.devices import make_device, renode_host, renode_machine
from usim.devices.renode_host import find_host
from usim.errors import DeviceError, LockupError
from usim.platforms import load_platform

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
PROGRAM = 0x2001_0000


@pytest.fixture(params=[renode_stand_in.RENODE], autouse=True)
def renode():
    """Renode, or the stand-in; the parameter is there for the tests' names."""
    renode_stand_in.install()


@pytest.fixture
def device():
    opened = make_device("renode", load_platform("stm32f746"))
    opened.open()
    yield opened
    opened.close()


def halfwords(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "little") for value in values)


def test_a_breakpoint_instruction_is_a_lockup_and_the_device_can_be_opened_again(device):
    """Renode takes it as an exception, without a vector aborts the core, and does not come back."""
    device.write(PROGRAM, halfwords(0xBF00, 0xBE00))  # nop; bkpt
    device.write_register("pc", PROGRAM)
    with pytest.raises(LockupError, match=r"locked up at 0x2001_0002.*open the device again"):
        device.run_until(PROGRAM + 8, 60.0)
    with pytest.raises(DeviceError, match="open the device again"):
        device.read(PROGRAM, 4)
    device.open()
    device.write(PROGRAM, halfwords(0x2007, 0xBF00))  # movs r0, #7; nop
    device.write_register("pc", PROGRAM)
    device.run_until(PROGRAM + 2, 60.0)
    assert device.read_register("r0") == 7


def test_a_renode_that_hangs_for_good_asks_for_a_new_process(device, monkeypatch):
    if renode_stand_in.RENODE == "renode":
        pytest.skip("Renode comes back when its machine is removed")
    released = []
    stuck = threading.Event()
    monkeypatch.setattr(renode_machine, "_FAREWELL_S", 0.2)
    monkeypatch.setattr(stuck, "set", lambda: released.append(True))
    host = find_host()
    (name,) = host.emulation.internal._machines
    host.emulation.internal._machines[name].internal._cpu._removed = stuck
    device.write(PROGRAM, halfwords(0xBE00))
    device.write_register("pc", PROGRAM)
    try:
        with pytest.raises(LockupError, match="locked up"):
            device.run_until(PROGRAM + 8, 60.0)
        assert released
        with pytest.raises(DeviceError, match=r"hangs in this process.*start a new process"):
            device.open()
    finally:
        monkeypatch.undo()
        stuck.set()
        for worker in renode_host._hanging:
            worker.join(60)
        renode_host._hanging.clear()


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_a_run_and_the_device_goes_on(device, monkeypatch):
    if renode_stand_in.RENODE == "renode":
        pytest.skip("Renode's RunFor cannot be replaced")
    run_for = renode_stand_in.ClrEmulation.RunFor

    def run_and_interrupt(emulation, interval):
        os.kill(os.getpid(), signal.SIGINT)
        run_for(emulation, interval)

    device.write(PROGRAM, halfwords(0x2007, 0xE7FE))  # movs r0, #7; b .
    device.write_register("pc", PROGRAM)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(renode_stand_in.ClrEmulation, "RunFor", run_and_interrupt)
        device.run_until(PROGRAM + 8, 60.0)
    device.write_register("r0", 0)
    device.write_register("pc", PROGRAM)
    device.run_until(PROGRAM + 2, 60.0)
    assert device.read_register("r0") == 7


def test_control_written_by_the_host_selects_the_stack_pointer(device):
    device.reset()
    device.write_register("msp", 0x2001_0100)
    device.write_register("psp", 0x2001_0200)
    device.write_register("control", 2)
    assert [device.read_register(name) for name in ("sp", "psp", "msp")] == [
        0x2001_0200,
        0x2001_0200,
        0x2001_0100,
    ]
    device.write_register("sp", 0x2001_0300)
    device.write_register("control", 0)
    assert device.read_register("sp") == 0x2001_0100
    assert device.read_register("psp") == 0x2001_0300


def test_a_machine_that_was_left_open_does_not_run_while_another_does(device):
    device.write(PROGRAM, halfwords(0x3001, 0xE7FD))  # 1: adds r0, #1; b 1b
    device.write_register("r0", 0)
    device.write_register("pc", PROGRAM)
    other = make_device("renode", load_platform("stm32f767"))
    other.open()
    try:
        base = other.platform.region("sram1").base
        other.write(base, halfwords(0x2007, 0xBF00))
        other.write_register("pc", base)
        other.run_until(base + 2, 60.0)
        assert other.read_register("r0") == 7
    finally:
        other.close()
    assert device.read_register("r0") == 0


def test_calls_are_counted_in_instructions_to_some_thirty():
    source = 'void spin(int n) { for (int i = 0; i < n; i++) { __asm volatile("nop"); } }'
    counts = []
    for backend in ("embedded", "renode"):
        with usim.Session("stm32f746", backend=backend, timing="count") as session:
            call = session.load_module(source).spin(100_000)
            counts.append(call.count)
    assert [str(count.kind) for count in counts] == ["instructions (counted)"] * 2
    assert abs(counts[0].value - counts[1].value) <= 60


def test_usim_run_gives_the_answers_of_the_embedded_device(tmp_path):
    answers = []
    for backend in ("embedded", "renode"):
        file = tmp_path / f"{backend}.json"
        done = CliRunner().invoke(
            command,
            ["run", "--platform", "stm32f746", "--backend", backend, "--json", str(file)],
        )
        assert done.exit_code == 0, done.stderr
        answers.append(json.loads(file.read_text())["answers"])
    assert answers[0] == answers[1]


# Without it.


def run_without_renode(folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), ENVIRONMENT["PYTHONPATH"]])
    return subprocess.run(
        [sys.executable, "-m", "usim", "run", "--platform", "stm32f746", "--backend", "renode"],
        env=ENVIRONMENT | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'pyrenode3'\", name='pyrenode3')",
            "needs pyrenode3, which is not installed: python -m pip install",
        ),
        (
            "raise ImportError('Renode not found. Please do:\\n - this')",
            "(Renode not found. Please",
        ),
        ("raise RuntimeError('Failed to initialize Python.Runtime.dll')", "(Failed to initialize"),
        ("import sys; sys.exit(1)", "finds no Renode to load (1)"),
        ("", "No module named 'pyrenode3.wrappers'"),
    ],
    ids=["not installed", "no Renode", "no .NET", "wrong build", "something else"],
)
def test_what_is_missing_is_said_in_one_line_with_all_variables(package, message, tmp_path):
    (tmp_path / "pyrenode3.py").write_text(package)
    done = run_without_renode(tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    for variable in ("PYRENODE_PKG", "PYRENODE_BUILD_DIR", "PYRENODE_BIN", "PYRENODE_RUNTIME"):
        assert variable in done.stderr


def test_a_renode_without_a_name_that_usim_calls_is_told_of(device, monkeypatch):
    if renode_stand_in.RENODE == "renode":
        pytest.skip("Renode has the name")
    monkeypatch.delattr(renode_stand_in.CortexM, "SetRegister")
    with pytest.raises(DeviceError, match=r"set register r0 .*SetRegister.*Renode 1\.16\.1 can"):
        device.write_register("r0", 1)


def test_a_platform_that_renode_refuses_is_named(tmp_path):
    host = find_host()
    with pytest.raises(DeviceError, match="Renode cannot do it: "), host.translated("do it"):
        host.emulation.add_mach("broken").load_repl(str(tmp_path / "nothing.repl"))
    host.emulation.rem_mach("broken")
