"""The contract runs once for every backend, and for every chip."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
import renode_stand_in
from every_backend import EVERY_BACKEND

import usim
from usim.devices import BACKENDS, Device, make_device
from usim.platforms import Platform, load_platform

# What a backend needs that pip may not have brought.
_NEEDS = {"embedded": "unicorn"}
_NEEDS_COMMAND = {"qemu": "qemu-system-arm"}


def _require(backend: str) -> None:
    package = _NEEDS.get(backend)
    if package and find_spec(package) is None:
        pytest.skip(f"backend {backend} needs the package {package}, which is not installed")
    command = _NEEDS_COMMAND.get(backend)
    if command and shutil.which(command) is None:
        pytest.skip(f"backend {backend} needs {command}, which is not installed")
    if backend == "renode":
        renode_stand_in.install()
    import_module(BACKENDS[backend].partition(":")[0])


@pytest.fixture(params=EVERY_BACKEND)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    _require(name)
    return name


@pytest.fixture(params=["stm32f746", "stm32f767"])
def platform(request: pytest.FixtureRequest, backend: str) -> Platform:
    return load_platform(request.param, backend)


@pytest.fixture
def device(backend: str, platform: Platform) -> Iterator[Device]:
    """An open device."""
    opened = make_device(backend, platform)
    opened.open()
    yield opened
    opened.close()


def open_session(backend: str, **options: Any) -> usim.Session:
    """A session, not open yet, on a backend; skips where that is not installed."""
    _require(backend)
    return usim.Session("stm32f746", backend=backend, **options)
