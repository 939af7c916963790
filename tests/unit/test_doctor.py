"""`usim doctor` on the optional tools: what they can do, not only that they are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from usim.cli import usim

QEMU = "QEMU emulator version 9.9"
OPENOCD = "Open On-Chip Debugger 0.12.0"


def put_program(folder: Path, name: str, answers: dict[str, str], code: int = 0) -> None:
    """A program that says a thing for each first argument."""
    cases = "\n".join(f"{key}) printf '%s' '{text}' ;;" for key, text in answers.items())
    path = folder / name
    path.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}\nesac\nexit {code}\n')
    path.chmod(0o755)


def findings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, dict[str, str]]:
    monkeypatch.setenv("PATH", str(folder))
    result = CliRunner().invoke(usim, ["doctor", "--json"])
    assert result.exit_code == 0  # nothing optional makes it fail
    return {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}


@pytest.mark.parametrize(
    ("machines", "state", "detail"),
    [
        ("an385 x\nmps2-an500 ARM MPS2\n", "ok", f"{QEMU}, machine mps2-an500"),
        ("an385 x\n", "broken", "it has no machine mps2-an500"),
    ],
)
def test_qemu_needs_the_machine(machines, state, detail, monkeypatch, tmp_path):
    answers = {"--version": f"{QEMU}\n", "-M": f"Supported machines are:\n{machines}"}
    put_program(tmp_path, "qemu-system-arm", answers)
    found = findings(monkeypatch, tmp_path)["qemu-system-arm"]
    assert found["state"] == state
    assert detail in found["detail"]


@pytest.mark.parametrize(
    ("adapters", "state", "detail"),
    [
        ("18: remote_bitbang\n19: hla\n27: st-link\n", "ok", "remote_bitbang, hla, st-link"),
        ("19: hla\n27: st-link\n", "ok", "adapters hla, st-link, not remote_bitbang"),
        ("12: jlink\n", "broken", "none of the adapters remote_bitbang"),
    ],
)
def test_openocd_says_which_of_the_adapters_it_has(adapters, state, detail, monkeypatch, tmp_path):
    answers = {"--version": f"{OPENOCD}\nLicensed\n", "-c": f"Adapters:\n{adapters}"}
    put_program(tmp_path, "openocd", answers)
    found = findings(monkeypatch, tmp_path)["openocd"]
    assert found["state"] == state
    assert detail in found["detail"]
    assert found["detail"].startswith(OPENOCD)


def test_a_gdb_for_another_processor_is_passed_over(monkeypatch, tmp_path):
    put_program(
        tmp_path, "gdb", {"--version": "GNU gdb 1\n", "-batch": 'Undefined item: "armv7e-m".\n'}
    )
    assert findings(monkeypatch, tmp_path)["gdb"]["state"] == "broken"
    put_program(tmp_path, "arm-none-eabi-gdb", {"--version": "GNU gdb 2\n"})
    found = findings(monkeypatch, tmp_path)["gdb"]
    assert (found["state"], found["detail"].split(",")[0]) == ("ok", "GNU gdb 2")


def test_a_program_that_fails_is_broken(monkeypatch, tmp_path):
    put_program(tmp_path, "openocd", {"--version": "cannot open library\n"}, code=127)
    found = findings(monkeypatch, tmp_path)["openocd"]
    assert found["state"] == "broken"
    assert "cannot open library" in found["detail"]
    assert "ended with code 127" in found["detail"]


@pytest.mark.parametrize(
    ("variables", "state", "detail"),
    [
        ({"PYRENODE_PKG": "{here}", "PYRENODE_RUNTIME": "mono"}, "ok", "PYRENODE_PKG="),
        ({"PYRENODE_PKG": "{here}", "PYRENODE_BUILD_DIR": "{here}"}, "broken", "only one of them"),
        ({"PYRENODE_PKG": "{here}", "PYRENODE_RUNTIME": "net"}, "broken", "one of mono, coreclr"),
        ({"PYRENODE_BIN": "{here}"}, "broken", "needs PYRENODE_RUNTIME=coreclr"),
        ({}, "missing", "no PYRENODE_ variable is set"),
    ],
)
def test_what_pyrenode3_is_told_is_checked(variables, state, detail, monkeypatch, tmp_path):
    for name in ("PYRENODE_PKG", "PYRENODE_BUILD_DIR", "PYRENODE_BIN", "PYRENODE_RUNTIME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(here=tmp_path))
    found = findings(monkeypatch, tmp_path)["renode location"]
    assert found["state"] == state
    assert detail in found["detail"]


def test_each_optional_tool_that_is_missing_comes_with_a_command(monkeypatch, tmp_path):
    found = findings(monkeypatch, tmp_path)
    for name, command in {
        "qemu-system-arm": "apt install qemu-system-arm; macOS: brew install qemu",
        "openocd": "apt install openocd; macOS: brew install open-ocd",
        "gdb": "apt install gdb-multiarch; macOS: brew install arm-none-eabi-gdb",
        "renode": "github.com/renode/renode/releases",
    }.items():
        assert found[name]["state"] == "missing"
        assert command in found[name]["remedy"]
