"""An embedded chip, seen through its debug port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from debug_view import Chip

from usim.devices.embedded import EmbeddedDevice
from usim.platforms import load_platform


@pytest.fixture
def chip(request: pytest.FixtureRequest) -> Iterator[Chip]:
    """An STM32F746, or the platform that a test asks for."""
    device = EmbeddedDevice(load_platform(getattr(request, "param", "stm32f746")))
    device.open()
    yield Chip(device)
    device.close()
