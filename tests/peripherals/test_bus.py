"""The chip's address space as its debug port sees it."""

from __future__ import annotations

import pytest
from debug_view import RCC

from usim.devices.embedded import EmbeddedDevice
from usim.errors import AccessError, DeviceError
from usim.platforms import load_platform


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 64])
@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_memory_is_read_and_written_in_any_size(chip, size, offset):
    data = bytes(range(1, size + 1))
    chip.device.bus_write(0x2000_0100 + offset, data)
    assert chip.device.bus_read(0x2000_0100 + offset, size) == data
    assert chip.device.read(0x2000_0100 + offset, size) == data


def test_a_narrow_access_sees_its_part_of_a_register(chip):
    cpuid = chip[0xE000_ED00]
    for address, size in ((0xE000_ED00, 1), (0xE000_ED02, 2), (0xE000_ED03, 1)):
        expected = cpuid >> 8 * (address & 3) & (1 << 8 * size) - 1
        assert int.from_bytes(chip.device.bus_read(address, size), "little") == expected
    chip[RCC + 0x30] = 0
    chip.device.bus_write(RCC + 0x32, b"\x10")
    assert chip[RCC + 0x30] == 0x10_0000


def test_several_registers_are_read_at_once(chip):
    words = [chip[RCC + at] for at in (0, 4, 8)]
    at_once = chip.device.bus_read(RCC, 12)
    assert [int.from_bytes(at_once[at : at + 4], "little") for at in (0, 4, 8)] == words


@pytest.mark.parametrize("address", [0x3000_0000, 0x4000_8000, 0x4001_1800, 0xB000_0000])
def test_where_nothing_is_nothing_answers(chip, address):
    with pytest.raises(AccessError, match="no memory at"):
        chip.device.bus_read(address, 4)
    with pytest.raises(AccessError, match="no memory at"):
        chip.device.bus_write(address, b"\0\0\0\0")


@pytest.mark.parametrize(
    ("chip", "idcode", "size_kib"),
    [("stm32f746", 0x1000_6449, 1024), ("stm32f767", 0x1000_6451, 2048)],
    indirect=["chip"],
)
def test_the_chip_says_what_it_is(chip, idcode, size_kib):
    assert chip[0xE004_2000] == idcode
    assert chip.device.bus_read(0x1FF0_F442, 2) == size_kib.to_bytes(2, "little")
    assert chip.device.bus_read(0x1FF0_F420, 12) != bytes(12)
    chip[0xE004_2000] = 0
    assert chip[0xE004_2000] == idcode


def test_what_a_debugger_sets_for_halts_survives_a_reset(chip):
    chip[0xE004_2004] = 7
    chip.device.reset()
    assert chip[0xE004_2004] == 7


def test_a_platform_without_the_chips_peripherals_has_none(chip):
    device = EmbeddedDevice(load_platform("mps2-an500"))
    assert device.capabilities.usarts == ()
    device.open()
    assert device.clocks is None
    with pytest.raises(AccessError):
        device.bus_read(RCC, 4)
    with pytest.raises(DeviceError, match="does not capture what usart1 sends"):
        device.usart_output("usart1")
    device.close()
