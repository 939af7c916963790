"""Memory beside the chip, as the Discovery kit has it (UM1907)."""

from __future__ import annotations

import pytest

from usim.devices.embedded import EmbeddedDevice
from usim.errors import AccessError
from usim.platforms import load_platform

SDRAM, QSPI = 0xC000_0000, 0x9000_0000
disco = pytest.mark.parametrize("chip", ["stm32f746g_disco"], indirect=True)


@disco
def test_sdram_holds_what_is_written_to_its_ends(chip):
    for address in (SDRAM, SDRAM + 0x7F_FFFC):
        assert chip[address] == 0
        chip[address] = 0x1234_5678
        assert chip[address] == 0x1234_5678
    with pytest.raises(AccessError):
        chip[SDRAM + 0x80_0000] = 0


@disco
def test_quad_spi_flash_is_erased_and_takes_an_image(chip):
    assert chip[QSPI + 0xFF_FFFC] == 0xFFFF_FFFF
    chip.device.write(QSPI, b"image")
    assert chip.device.read(QSPI, 5) == b"image"
    chip[QSPI + 8] = 7  # by a debugger's flash driver
    assert chip[QSPI + 8] == 7


@disco
def test_a_store_through_the_window_is_not_taken_for_one_to_the_chips_own_flash(chip):
    chip.unlock_flash()
    chip[0x4002_3C10] = 2 << 8 | 1  # PG
    assert not chip.device._bus.store_to_flash(QSPI, bytes(4))
    assert chip.device._bus.store_to_flash(0x0800_0000, bytes(4))


def test_sections_and_the_flash_interface_know_nothing_of_it():
    platform = load_platform("stm32f746g_disco")
    assert [region.name for region in platform.external] == ["qspi", "sdram"]
    assert platform.sections == load_platform("stm32f746").sections
    assert EmbeddedDevice(platform).capabilities.writes_flash


@pytest.mark.parametrize("name", ["stm32f746", "nucleo_f746zg"])
def test_a_chip_by_itself_has_none(name):
    assert load_platform(name).external == ()


@disco
def test_the_sdram_controller_takes_its_commands_at_once(chip):
    """The sequence of RM0385 13.7.3; BUSY (bit 5) never holds a program up."""
    chip[0x4002_3838] = 1  # FMCEN
    for mode in (1, 2, 3, 4):
        chip[0xA000_0150] = 1 << 4 | mode
        assert chip[0xA000_0158] == 0
    chip[0xA000_0150] = 1 << 4 | 5
    assert chip[0xA000_0158] == 1 << 1  # bank 1 is in self-refresh
