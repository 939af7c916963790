"""The backend qemu beyond the contract: its process, its machine's memory, and whole sessions."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from processes import children, is_gone

import usim
from usim import demo
from usim.cli import usim as command
from usim.devices import make_device
from usim.errors import AccessError, DeviceError, FaultError, LockupError
from usim.platforms import load_platform

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-arm") is None,
    reason="backend qemu needs qemu-system-arm, which is not installed",
)
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def open_device():
    device = make_device("qemu", load_platform("stm32f746", "qemu"))
    device.open()
    return device


def qemus(pid: int) -> list[int]:
    return [
        child
        for child in children(pid)
        if Path(f"/proc/{child}/comm").read_text().startswith("qemu-system")
    ]


def test_a_killed_qemu_is_noticed_and_the_device_can_be_opened_again():
    before = children(os.getpid())
    device = open_device()
    (pid,) = qemus(os.getpid())
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DeviceError, match="qemu-system-arm ended unexpectedly"):
        device.read(0x2000_0000, 4)
    with pytest.raises(DeviceError, match="has ended, and its memory is lost: open"):
        device.read(0x2000_0000, 4)
    device.open()
    assert device.read(0x2000_0000, 4) == bytes(4)
    device.close()
    assert children(os.getpid()) == before


def test_a_killed_python_leaves_no_qemu():
    program = (
        "import sys\nfrom usim.devices import make_device\n"
        "from usim.platforms import load_platform\n"
        "device = make_device('qemu', load_platform('stm32f746', 'qemu'))\ndevice.open()\n"
        "print('open', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as python:
        assert python.stdout is not None
        assert python.stdout.readline() == b"open\n"
        (pid,) = qemus(python.pid)
        python.kill()
        assert is_gone(pid)


def test_many_devices_in_a_row_leave_no_process_and_no_descriptor():
    open_device().close()
    before = children(os.getpid())
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        open_device().close()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert children(os.getpid()) == before


def test_what_qemu_says_when_it_does_not_start_is_in_the_error(tmp_path, monkeypatch):
    fake = tmp_path / "qemu-system-arm"
    fake.write_text("#!/bin/sh\necho 'qemu-system-arm: unsupported machine type' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(DeviceError, match=r"ended unexpectedly.*unsupported machine type"):
        open_device()


def test_without_qemu_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match=r"not on the PATH.*apt install qemu-system-arm"):
        open_device()


def test_a_section_where_the_machine_has_no_memory_is_refused_by_name():
    device = make_device("qemu", load_platform("stm32f746"))
    with pytest.raises(
        AccessError, match=r"section rodata of stm32f746 lies at 0x0800_0000 \.\."
    ) as caught:
        device.open()
    assert 'load_platform(..., "qemu")' in str(caught.value)


def test_memory_that_the_platform_has_and_the_machine_lacks_is_refused(tmp_path):
    folder = tmp_path / "chip"
    folder.mkdir()
    (folder / "platform.yaml").write_text("extends: stm32f746\n")
    (folder / "qemu.yaml").write_text("sections: {rodata: [{region: sram1, size: 32 KiB}]}\n")
    device = make_device("qemu", load_platform(folder, "qemu"))
    device.open()
    try:
        with pytest.raises(AccessError, match="QEMU's mps2-an500 has no memory there"):
            device.write(0x0800_0000, b"lost")
    finally:
        device.close()


@pytest.mark.parametrize("platform", ["stm32f746", "stm32f767", "mps2-an500"])
def test_the_model_gives_the_same_bytes_and_counts_as_on_the_embedded_device(platform):
    answers = {}
    for backend in ("embedded", "qemu"):
        with usim.Session(platform, backend=backend, timing="count") as session:
            model = session.load_model(demo.MODEL)
            shape = model.model.inputs[0].shape
            noise = np.random.default_rng(7).integers(-128, 128, shape).astype(np.int8)
            profile = model.profile(noise)
            counts = [str(layer.count) for layer in profile.layers]
            answers[backend] = profile.outputs[0].tobytes(), counts
    assert answers["qemu"] == answers["embedded"]


LOCKUP = """#include <stdint.h>
int32_t lock(void) {
    *(volatile uint32_t *)0xE000ED08U = 0x30000000U; /* VTOR where nothing is */
    __builtin_trap();
}
int32_t fine(void) { return 0; }
int32_t store(void) { *(volatile uint32_t *)0x30000000U = 1U; return 0; }
int32_t deep(int32_t n) {
    volatile int32_t a[64];
    a[0] = n;
    return n > 99999 ? 0 : deep(n + 1) + a[0];
}
"""


def test_a_lockup_ends_the_session_with_its_name_and_place():
    with usim.Session("stm32f746", backend="qemu") as session:
        module = session.load_module(LOCKUP, name="lockup.c")
        with pytest.raises(LockupError, match=r"a task of lock: locked up at .* in lock\+"):
            module.lock().wait()
        with pytest.raises(DeviceError, match="its memory is lost: open"):
            module.fine().wait()


def test_faults_are_told_as_the_machine_has_them():
    with usim.Session("stm32f746", backend="qemu") as session:
        module = session.load_module(LOCKUP, name="lockup.c")
        with pytest.raises(FaultError, match=r"load or store where no memory is \(0x3000_0000\)"):
            module.store().wait()
        with pytest.raises(FaultError, match="stack overflow"):
            module.deep(0).wait()
        assert module.fine().wait()


def test_run_prints_and_writes_what_the_embedded_device_gives(tmp_path):
    results = {}
    for backend, timing in (("embedded", ["--timing", "count"]), ("qemu", [])):
        file = tmp_path / f"{backend}.json"
        arguments = ["--platform", "stm32f746", "--backend", backend, *timing, "--json", file]
        done = CliRunner().invoke(command, ["run", *map(str, arguments)])
        assert done.exit_code == 0, done.output
        results[backend] = json.loads(file.read_text())
    for key in ("answers", "layers", "count"):
        assert results["qemu"][key] == results["embedded"][key]
    assert results["qemu"]["backend"] == "qemu"


def test_timing_is_refused_where_nothing_is_modelled():
    arguments = ["--platform", "stm32f746", "--backend", "qemu", "--timing", "full"]
    done = CliRunner().invoke(command, ["run", *arguments])
    assert done.exit_code == 2
    assert "--timing is for --backend embedded" in done.output
