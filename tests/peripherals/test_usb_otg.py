"""The USB cores while nothing is plugged in (RM0385 37.15)."""

from __future__ import annotations

import pytest

GUSBCFG, GRSTCTL, GINTSTS, DIEPINT0, FIFO = 0x0C, 0x10, 0x14, 0x908, 0x1000
AHBIDL = 1 << 31

core = pytest.mark.parametrize("base", [0x5000_0000, 0x4004_0000], ids=["FS", "HS"])


@core
@pytest.mark.parametrize("bit", [0, 4, 5], ids=["CSRST", "RXFFLSH", "TXFFLSH"])
def test_a_reset_or_flush_is_over_and_the_core_idle(chip, base, bit):
    assert chip[base + GRSTCTL] == AHBIDL
    chip[base + GRSTCTL] = 1 << bit
    assert chip[base + GRSTCTL] == AHBIDL


@core
def test_it_is_a_host_as_soon_as_it_is_forced_to_be_one(chip, base):
    assert not chip[base + GINTSTS] & 1
    chip[base + GUSBCFG] = 1 << 29  # FHMOD
    assert chip[base + GINTSTS] & 1
    chip[base + GUSBCFG] = 1 << 30  # FDMOD
    assert not chip[base + GINTSTS] & 1


@core
def test_nothing_is_ever_received(chip, base):
    chip[base + GINTSTS] = chip[base + DIEPINT0] = chip[base + FIFO] = 0xFFFF_FFFF
    assert not chip[base + GINTSTS] & 1 << 4  # RXFLVL
    assert chip[base + DIEPINT0] == chip[base + FIFO] == 0
