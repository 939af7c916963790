"""Devices on a real OpenOCD, which is on our virtual probe where it needs a chip."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import children

from usim.devices import Device, make_device
from usim.platforms import load_platform

HERE = Path(__file__).resolve().parent
# The programs and the OpenOCDs of the contract.
sys.path.append(str(HERE.parent / "contract"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which("openocd") is not None:
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(
                pytest.mark.skip(reason="backend openocd needs openocd, which is not installed")
            )


@pytest.fixture
def device() -> Iterator[Device]:
    """An open device on a fresh chip; whatever happens to it, nothing stays behind."""
    before = set(children(os.getpid()))
    opened = make_device("openocd", load_platform("stm32f746"), openocd="virtual")
    try:
        opened.open()
        yield opened
    finally:
        opened.close()
    assert set(children(os.getpid())) == before
