"""The contract runs once for every backend, and for every chip."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from every_backend import EVERY_BACKEND, require
from openocd_servers import OpenOcds

from usim.devices import Device, make_device
from usim.platforms import Platform, load_platform


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Over JTAG all is slow, so there the second chip runs only what may differ on it.

    USIM_TEST_EVERY_CHIP=1 runs all, in another minute and a half.
    """
    if os.environ.get("USIM_TEST_EVERY_CHIP"):
        return
    left_out = [
        item
        for item in items
        if "openocd-stm32f767" in item.name
        and "life_cycle" not in item.nodeid
        and not any(word in item.name for word in ("flash", "every_memory", "s31"))
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(params=EVERY_BACKEND)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name: str = request.param
    require(name)
    # A chip that is always there: ours, behind a virtual probe and a real OpenOCD.
    monkeypatch.setenv("USIM_OPENOCD_WHERE", "virtual")
    return name


@pytest.fixture(params=["stm32f746", "stm32f767"])
def platform(request: pytest.FixtureRequest, backend: str) -> Platform:
    return load_platform(request.param, backend)


@pytest.fixture(scope="session")
def running_openocds() -> Iterator[OpenOcds]:
    """OpenOCDs to attach to: starting one and a probe for each test would take minutes."""
    with OpenOcds() as servers:
        yield servers


@pytest.fixture
def device(backend: str, platform: Platform, request: pytest.FixtureRequest) -> Iterator[Device]:
    """An open device."""
    where = None
    if backend == "openocd":
        where = request.getfixturevalue("running_openocds").address_for(platform)
    opened = make_device(backend, platform, openocd=where)
    opened.open()
    yield opened
    opened.close()
