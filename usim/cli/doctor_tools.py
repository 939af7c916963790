"""What `usim doctor` looks at outside of Python: other backends' programs, debuggers, Renode.

All of it is optional: what is missing is named with the command that gets it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from usim.cli.doctor_finding import Finding, package_version
from usim.devices.qemu_process import COMMAND as QEMU
from usim.devices.qemu_process import HOW_TO_GET as GET_QEMU
from usim.devices.renode_host import GET_PACKAGE, GET_RENODE, VARIABLES
from usim.errors import UsimError
from usim.toolchain.gcc import COMMAND as GCC
from usim.toolchain.gcc import HOW_TO_GET as GET_GCC
from usim.toolchain.process import run

_QEMU_MACHINE: Final = "mps2-an500"
# What the virtual probe and an ST-Link on a board need of OpenOCD.
_ADAPTERS: Final = ("remote_bitbang", "hla", "st-link")
_RUNTIMES: Final = ("mono", "coreclr")
_TIMEOUT_S: Final = 20
_GET_GDB: Final = (
    "Debian and Ubuntu: apt install gdb-multiarch; macOS: brew install arm-none-eabi-gdb"
)


def examine_tools() -> list[Finding]:
    """Look at everything here; a failed check is a finding and never an exception."""
    findings = [_examine(command) for command in _COMMANDS]
    return [*findings, _check_pyrenode(), _check_renode_location(), _check_robot()]


@dataclass(frozen=True)
class _Command:
    """A program on the PATH: its names, the best first, and how to get it.

    `inspect` returns what else there is to say of it, and what is wrong with it.
    """

    names: tuple[str, ...]
    remedy: str
    inspect: Callable[[str], tuple[str, str]] = field(default=lambda _: ("", ""))
    finding: str = ""  # what the finding is called, if not as the first name


def _output(*command: str) -> tuple[int, str]:
    """Exit code, and what a program wrote."""
    done = run(list(command), folder=Path(tempfile.gettempdir()), timeout_s=_TIMEOUT_S)
    return done.returncode, f"{done.stdout}\n{done.stderr}".strip()


def _inspect_qemu(path: str) -> tuple[str, str]:
    _, machines = _output(path, "-M", "help")
    if f"\n{_QEMU_MACHINE} " not in machines:
        return "", f"it has no machine {_QEMU_MACHINE}"
    return f"machine {_QEMU_MACHINE}", ""


def _inspect_openocd(path: str) -> tuple[str, str]:
    _, listed = _output(path, "-c", "adapter list", "-c", "shutdown")
    known = {line.partition(":")[2].strip() for line in listed.splitlines()}
    there = [name for name in _ADAPTERS if name in known]
    if not there:
        return "", f"it has none of the adapters {', '.join(_ADAPTERS)}"
    lacking = [name for name in _ADAPTERS if name not in known]
    return f"adapters {', '.join(there)}" + (f", not {', '.join(lacking)}" if lacking else ""), ""


def _inspect_gdb(path: str) -> tuple[str, str]:
    code, said = _output(path, "-batch", "-nx", "-ex", "set architecture armv7e-m")
    if code != 0 or "Undefined item" in said:
        return "", "it knows no Cortex-M (armv7e-m)"
    return "", ""


_COMMANDS: Final = (
    _Command((GCC,), GET_GCC),
    _Command((QEMU,), GET_QEMU, _inspect_qemu),
    _Command(
        ("openocd",),
        "Debian and Ubuntu: apt install openocd; macOS: brew install open-ocd",
        _inspect_openocd,
    ),
    _Command(("gdb-multiarch", "arm-none-eabi-gdb", "gdb"), _GET_GDB, _inspect_gdb, "gdb"),
    _Command(("renode",), "from github.com/renode/renode/releases; it is in no package registry"),
)


def _examine(command: _Command) -> Finding:
    name = command.finding or command.names[0]
    found: Finding | None = None
    for finding in _try_names(command, name):
        if finding.state == "ok":
            return finding
        found = found or finding
    return found or Finding(name, "missing", "not on the PATH", command.remedy)


def _try_names(command: _Command, name: str) -> Iterator[Finding]:
    """What is to say of each of its programs that is there."""
    for path in filter(None, map(shutil.which, command.names)):
        try:
            code, said = _output(path, "--version")
            more, wrong = command.inspect(path) if code == 0 else ("", "")
        except UsimError as exc:
            yield Finding(name, "broken", str(exc).splitlines()[0], command.remedy)
            continue
        detail = ", ".join(filter(None, [(said.splitlines() or ["?"])[0].strip(), more, path]))
        if code != 0 or wrong:
            why = wrong or f"`{Path(path).name} --version` ended with code {code}"
            yield Finding(name, "broken", f"{detail}: {why}", command.remedy)
        else:
            yield Finding(name, "ok", detail, command.remedy)


def _check_pyrenode() -> Finding:
    version = package_version("pyrenode3")
    if version is None:
        return Finding("pyrenode3", "missing", "the package is not installed", GET_PACKAGE)
    return Finding("pyrenode3", "ok", version)


def _check_renode_location() -> Finding:
    """What pyrenode3 will be told by its environment variables; it is not loaded here."""
    chosen = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    runtime = chosen.get("PYRENODE_RUNTIME")
    places = {name: path for name, path in chosen.items() if name != "PYRENODE_RUNTIME"}
    detail = ", ".join(f"{name}={value}" for name, value in chosen.items())
    wrong = ""
    absent = [name for name, path in places.items() if not Path(path).exists()]
    if absent:
        wrong = "no such file"
    elif len(places) > 1:
        wrong = "only one of them may be set"
    elif runtime is not None and runtime not in _RUNTIMES:
        wrong = f"PYRENODE_RUNTIME is one of {', '.join(_RUNTIMES)}"
    elif "PYRENODE_BIN" in places and runtime != "coreclr":
        wrong = "PYRENODE_BIN needs PYRENODE_RUNTIME=coreclr"
    if wrong:
        return Finding("renode location", "broken", f"{detail}: {wrong}", GET_RENODE)
    if places:
        return Finding("renode location", "ok", detail)
    if (path := shutil.which("renode")) is not None:
        return Finding("renode location", "ok", f"{path} (no PYRENODE_ variable is set)")
    return Finding("renode location", "missing", "no PYRENODE_ variable is set", GET_RENODE)


def _check_robot() -> Finding:
    version = package_version("robotframework")
    if version is None:
        remedy = "python -m pip install robotframework"
        return Finding("robotframework", "missing", "the package is not installed", remedy)
    return Finding("robotframework", "ok", version)
