"""Backend openocd: flash is written by OpenOCD's own driver, before a run, and no more than needed.

The driver's algorithm runs on the emulated chip and programs its flash controller.
"""

from __future__ import annotations

import random

import pytest
from device_programs import Places, constant, run_program
from openocd_servers import serve
from talk import said

from usim.devices import make_device
from usim.errors import DeviceError
from usim.platforms import load_platform

PLATFORM = load_platform("stm32f746")
FLASH, ALIAS = PLATFORM.region("flash").base, PLATFORM.region("flash_itcm").base
SECTOR_BYTES = 32 << 10  # of the first four (RM0385 3.3.1)


def noise(size_bytes: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def run(device) -> None:
    """A program, so that what was written reaches the chip."""
    run_program(device, "movs r0, #1")


def seen_by_program(device, address: int) -> int:
    run_program(device, f"{constant('r0', address)}\nldr r1, [r0]")
    return device.read_register("r1")


def test_many_writes_into_a_sector_are_one_and_need_no_erasing_where_it_is_erased(device):
    pieces = [(FLASH + 0x400 + 7 * i, noise(5, i)) for i in range(40)]
    for address, data in pieces:
        device.write(address, data)
    assert device.read(*[pieces[3][0], 5]) == pieces[3][1]
    run(device)
    assert [device.read(address, 5) for address, _ in pieces] == [data for _, data in pieces]
    assert device.flash_use.erases == 0
    assert device.flash_use.written_bytes < 300


def test_what_replaces_something_erases_once_and_loses_nothing_of_the_sector(device):
    first, second = noise(3001), noise(2000, 2)
    device.write(FLASH + 1, first)
    device.write(FLASH + SECTOR_BYTES - 100, second)  # into the next sector
    run(device)
    assert device.flash_use.erases == 0
    device.write(FLASH + 101, second)
    device.write(FLASH + SECTOR_BYTES - 3, b"\0" * 2)
    run(device)
    assert device.flash_use.erases == 1
    after = b"\xff" + first[:100] + second + first[2100:] + b"\xff" * 50
    assert device.read(FLASH, 3052) == after
    expected = second[:97] + b"\0\0" + second[99:]
    assert device.read(FLASH + SECTOR_BYTES - 100, 2000) == expected


def test_what_the_chip_holds_already_is_not_written_again_not_even_in_the_next_session():
    data = noise(9001)
    with serve(PLATFORM) as address:
        for session in range(2):
            device = make_device("openocd", PLATFORM, openocd=address)
            device.open()
            device.write(FLASH + 0x8003, data[:5000])
            device.write(FLASH + 0x8003 + 5000, data[5000:])
            run(device)
            assert (device.flash_use.written_bytes > 0) == (session == 0)
            device.write(FLASH + 0x8003, data)
            run(device)
            assert device.read(FLASH + 0x8003, 9001) == data
            assert device.flash_use.erases == 0
            device.close()


def test_programs_see_what_was_written_at_both_addresses(device):
    for value in (0x1234_5678, 0x8765_4321):
        device.write(ALIAS + 0x1_0000, value.to_bytes(4, "little"))
        assert seen_by_program(device, FLASH + 0x1_0000) == value
        assert seen_by_program(device, ALIAS + 0x1_0000) == value


def test_memory_that_openocd_works_in_and_registers_are_as_before(device):
    dtcm = PLATFORM.region("dtcm")
    data = noise(dtcm.size_bytes)
    device.write(dtcm.base, data)
    device.write(FLASH, noise(10_000))
    device.write_register("r7", 0x7777)
    run(device)
    assert device.flash_use.written_bytes == 10_000
    assert device.read(dtcm.base, dtcm.size_bytes) == data
    assert device.read_register("r7") == 0x7777


def test_what_no_program_ran_with_is_not_written():
    with serve(PLATFORM) as address:
        for _ in range(2):
            device = make_device("openocd", PLATFORM, openocd=address)
            device.open()
            assert device.read(FLASH, 4) == b"\xff" * 4
            device.write(FLASH, b"gone")
            device.reset()
            assert device.read(FLASH, 4) == b"gone"
            device.close()


def test_a_locked_chip_is_told():
    with serve(PLATFORM) as address:
        said(address, "reset halt; stm32f2x lock 0; reset halt")
        device = make_device("openocd", PLATFORM, openocd=address)
        device.open()
        try:
            with pytest.raises(DeviceError, match=r"the chip is locked: read-out protection is on"):
                device.write(FLASH, b"1234")
            device.write(Places.on(PLATFORM).data, b"RAM!")
            assert device.read(Places.on(PLATFORM).data, 4) == b"RAM!"
        finally:
            device.close()


def test_a_write_protected_sector_is_told():
    with serve(PLATFORM) as address:
        said(address, "reset halt; flash protect 0 1 1 on; stm32f2x options_read 0; reset halt")
        device = make_device("openocd", PLATFORM, openocd=address)
        device.open()
        try:
            device.write(FLASH + SECTOR_BYTES, b"1234")
            with pytest.raises(
                DeviceError, match=r"cannot write the flash: .* is it write-protected"
            ):
                run(device)
        finally:
            device.close()
