"""The backends as tests see them: their names, what they need, and sessions on them."""

from __future__ import annotations

import shutil
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
import renode_stand_in

import usim
from usim.devices import BACKENDS

# Where Renode is not installed, its tests say that they run on a stand-in.
EVERY_BACKEND = [
    pytest.param(name, id=renode_stand_in.RENODE if name == "renode" else name) for name in BACKENDS
]
# What a backend needs that pip may not have brought.
_NEEDS = {"embedded": "unicorn"}
_NEEDS_COMMAND = {"qemu": "qemu-system-arm", "openocd": "openocd"}


def require(backend: str) -> None:
    """Skip the test if what the backend needs is not installed."""
    package = _NEEDS.get(backend)
    if package and find_spec(package) is None:
        pytest.skip(f"backend {backend} needs the package {package}, which is not installed")
    command = _NEEDS_COMMAND.get(backend)
    if command and shutil.which(command) is None:
        pytest.skip(f"backend {backend} needs {command}, which is not installed")
    if backend == "renode":
        renode_stand_in.install()
    import_module(BACKENDS[backend].partition(":")[0])


def open_session(backend: str, **options: Any) -> usim.Session:
    """A session, not open yet, on a backend; skips where that is not installed."""
    require(backend)
    if backend == "openocd":
        options["openocd"] = "virtual"
    return usim.Session("stm32f746", backend=backend, **options)
