"""Runs a compiler or linker: its own environment, a timeout, and what it said."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from usim.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# These silently add folders or options, so the same call would not give the same object.
_INTERFERING = (
    "CPATH",
    "C_INCLUDE_PATH",
    "LIBRARY_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "CCC_OVERRIDE_OPTIONS",
    "CL",
    "_CL_",
)


def run(
    command: Sequence[str],
    *,
    folder: Path,
    source: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run `command` in `folder` with `source` as its standard input.

    Raises ToolchainError when it cannot be started or takes too long; the exit code is the
    caller's to judge.
    """
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=_environment() | dict(environment or {}),
            # Never the terminal: a tool that asks must fail, not wait.
            input=source if source is not None else "",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        message = f"{command[0]} did not finish in {timeout_s:g} s"
        raise ToolchainError(message, command=tuple(command)) from exc
    except OSError as exc:
        message = f"cannot run {command[0]}: {exc.strerror or exc}"
        raise ToolchainError(message, command=tuple(command)) from exc


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _INTERFERING}
    environment["LC_ALL"] = "C"  # messages are read: "error:", not "Fehler:"
    environment["SOURCE_DATE_EPOCH"] = "0"  # __DATE__ must not end up in a cached object
    return environment
