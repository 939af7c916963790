"""The contract runs once for every backend, and for every chip."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from every_backend import EVERY_BACKEND, require

from usim.devices import Device, make_device
from usim.platforms import Platform, load_platform


@pytest.fixture(params=EVERY_BACKEND)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    require(name)
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
