"""Renode in this process through pyrenode3: found, loaded once, and what of it usim uses, by name.

Names and argument types are those of Renode 1.16.1 (renode-infrastructure add012af, which that
release pins) and of pyrenode3 0.0.1. Renode is in no package registry, so all of it is optional.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Final

from usim.errors import DeviceError

PACKAGE: Final = "pyrenode3"
WRITTEN_FOR: Final = "Renode 1.16.1"
VARIABLES: Final = ("PYRENODE_PKG", "PYRENODE_BUILD_DIR", "PYRENODE_BIN", "PYRENODE_RUNTIME")
GET_PACKAGE: Final = 'python -m pip install "pyrenode3 @ git+https://github.com/antmicro/pyrenode3"'
GET_RENODE: Final = (
    "a release from github.com/renode/renode, and one of PYRENODE_PKG (a package), PYRENODE_BIN (a "
    "portable executable) or PYRENODE_BUILD_DIR (a built source tree) set to where it is, with "
    "PYRENODE_RUNTIME=mono or coreclr"
)
# A microsecond of virtual time is 216 instructions; 1 ms is where more brings little speed.
_SETTINGS: Final = (
    "emulation SetGlobalAdvanceImmediately true",
    'emulation SetGlobalQuantum "0.001"',
)
# What importing pyrenode3 raises: no Renode, no .NET runtime, a wrong path (it calls sys.exit).
_IMPORT_ERRORS: Final = (ImportError, OSError, RuntimeError, ValueError, AttributeError, SystemExit)


@dataclass(frozen=True, slots=True)
class RenodeHost:
    """The emulation, of which there is one a process, and .NET types by their names there."""

    emulation: Any  # pyrenode3.wrappers.Emulation: add_mach, rem_mach, internal.RunFor
    monitor: Any  # pyrenode3.wrappers.Monitor: execute(command) -> (output, error)
    error: type[Exception]  # System.Exception, the base of what Renode throws
    int32: Any
    uint32: Any
    uint64: Any
    bytes: Any  # System.Array[System.Byte]
    time_interval: Any  # Antmicro.Renode.Time.TimeInterval
    address_hook: Any  # Antmicro.Renode.Peripherals.CPU.CpuAddressHook, a delegate (cpu, address)
    register_value: Any  # Antmicro.Renode.Peripherals.CPU.RegisterValue
    aborted: Any  # Antmicro.Renode.Peripherals.CPU.EmulationCPUState.Aborted

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Turn what Renode throws into a DeviceError that says what could not be done."""
        try:
            yield
        except (self.error, OSError) as exc:  # OSError: pyrenode3's own, for a file
            lines = str(exc).strip().splitlines() or [type(exc).__name__]
            raise DeviceError(f"Renode cannot {what}: {lines[0].strip()}") from exc
        except (AttributeError, TypeError) as exc:  # a name or an overload that it has not
            raise DeviceError(
                f"this version of Renode cannot {what} as usim asks it to ({exc}); "
                f"{WRITTEN_FOR} can"
            ) from exc

    def configure(self) -> None:
        """Let virtual time run as fast as it can, in steps of 1 ms; for all machines there are."""
        for command in _SETTINGS:
            _, error = self.monitor.execute(command)
            if error.strip():
                raise DeviceError(f"Renode refused {command!r}: {error.strip().splitlines()[0]}")

    def run_for(self, seconds: float) -> None:
        """Advance the virtual time of all machines; returns when it has passed."""
        with self.translated("run"):
            self.emulation.internal.RunFor(self.time_interval.FromSeconds(seconds))


def find_host() -> RenodeHost:
    """Load Renode; DeviceError with what to install and set if it cannot be."""
    if _hanging:
        raise DeviceError(
            "Renode hangs in this process since an emulated core was aborted: start a new process"
        )
    return _load()


# The emulation is lost for good when a RunFor does not come back, not even when its machine goes.
_hanging: list[threading.Thread] = []


def give_up(worker: threading.Thread) -> None:
    """Remember that Renode cannot be used any more in this process."""
    _hanging.append(worker)


@lru_cache(maxsize=1)
def _load() -> RenodeHost:
    try:
        importlib.import_module(PACKAGE)
    except ModuleNotFoundError as exc:
        if exc.name != PACKAGE:
            raise _unusable(exc) from exc
        raise DeviceError(
            f"backend renode needs pyrenode3, which is not installed: {GET_PACKAGE}; and Renode: "
            f"{GET_RENODE}"
        ) from exc
    except _IMPORT_ERRORS as exc:
        raise _unusable(exc) from exc
    try:
        return _gather()
    except _IMPORT_ERRORS as exc:
        raise _unusable(exc) from exc


def _unusable(exc: BaseException) -> DeviceError:
    lines = str(exc).strip().splitlines() or [type(exc).__name__]
    return DeviceError(f"pyrenode3 finds no Renode to load ({lines[0]}): it needs {GET_RENODE}")


def _gather() -> RenodeHost:
    # .NET namespaces are modules once pyrenode3 has loaded the runtime.
    wrappers = importlib.import_module(f"{PACKAGE}.wrappers")
    system = importlib.import_module("System")
    time = importlib.import_module("Antmicro.Renode.Time")
    cpu = importlib.import_module("Antmicro.Renode.Peripherals.CPU")
    emulation = wrappers.Emulation()
    return RenodeHost(
        emulation=emulation,
        monitor=wrappers.Monitor(),
        error=_exception_type(system),
        int32=system.Int32,
        uint32=system.UInt32,
        uint64=system.UInt64,
        bytes=system.Array[system.Byte],
        time_interval=time.TimeInterval,
        address_hook=cpu.CpuAddressHook,
        register_value=cpu.RegisterValue,
        aborted=cpu.EmulationCPUState.Aborted,
    )


def _exception_type(system: ModuleType) -> type[Exception]:
    found: type[Exception] = system.Exception
    return found
