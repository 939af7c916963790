"""A chip behind a virtual probe, for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openocd_runs import OpenOcd

from usim.platforms import load_platform
from usim.probe import VirtualProbe


@pytest.fixture(scope="module")
def probe() -> Iterator[VirtualProbe]:
    with VirtualProbe(load_platform("stm32f746")) as opened:
        yield opened


@pytest.fixture
def openocd(probe: VirtualProbe) -> OpenOcd:
    return OpenOcd(probe.port)
