"""Every device: memory of every region and section, at every size, and nothing outside of it."""

from __future__ import annotations

import random

import pytest

from usim.errors import AccessError
from usim.platforms import SECTION_NAMES

pytestmark = pytest.mark.usefixtures("device")


def _noise(size_bytes: int) -> bytes:
    return random.Random(size_bytes).randbytes(size_bytes)


def _writable(device, region_kind: str) -> bool:
    return region_kind == "ram" or device.capabilities.writes_flash


@pytest.mark.parametrize("name", SECTION_NAMES)
def test_every_byte_of_a_section_can_be_written_and_read(name, device):
    for extent in device.platform.section(name).extents:
        if not _writable(device, device.platform.region_at(extent.base).kind):
            continue
        data = _noise(extent.size_bytes)
        device.write(extent.base, data)
        assert device.read(extent.base, extent.size_bytes) == data


@pytest.mark.parametrize("size_bytes", [0, 1, 2, 3, 4, 5, 7, 1023, 4097, 200 * 1024])
@pytest.mark.parametrize("misalignment", [0, 1, 3])
def test_writes_of_any_size_touch_their_bytes_only(size_bytes, misalignment, device):
    base = device.platform.region("sram1").base + 64 + misalignment
    device.write(base - 8, b"\x5a" * (size_bytes + 16))
    data = _noise(size_bytes)
    device.write(base, data)
    assert device.read(base - 8, size_bytes + 16) == b"\x5a" * 8 + data + b"\x5a" * 8


def test_transfers_across_neighbouring_regions_are_whole(device):
    dtcm = device.platform.region("dtcm")
    data = _noise(100)
    device.write(dtcm.end - 50, data)
    assert device.read(dtcm.end - 50, 100) == data
    assert device.read(dtcm.end, 50) == data[50:]


def test_flash_is_the_same_memory_at_both_addresses(device):
    if not device.capabilities.writes_flash:
        pytest.skip("this backend does not write flash")
    flash, alias = device.platform.region("flash"), device.platform.region("flash_itcm")
    device.write(flash.base + 0x1234, b"through the AXI bus")
    assert device.read(alias.base + 0x1234, 19) == b"through the AXI bus"
    device.write(alias.base + 0x4321, b"ITCM")
    assert device.read(flash.base + 0x4321, 4) == b"ITCM"


@pytest.mark.parametrize("address", [0x3000_0000, 0x1FFF_FFFF, 0xFFFF_FFFC, 0xE000_ED00])
@pytest.mark.parametrize("size_bytes", [0, 1, 4, 4096])
def test_outside_memory_is_refused(address, size_bytes, device):
    with pytest.raises(AccessError) as caught:
        device.read(address, size_bytes)
    assert caught.value.address == address
    assert caught.value.size_bytes == size_bytes
    with pytest.raises(AccessError):
        device.write(address, bytes(size_bytes))


def test_the_refusal_names_the_address_the_platform_and_what_to_look_at(device):
    name = device.platform.name
    with pytest.raises(AccessError) as caught:
        device.read(0x3000_0000, 4)
    assert str(caught.value) == (
        "cannot read 4 bytes at 0x3000_0000: no region holds 0x3000_0000 "
        f"(platform {name}); see `usim platforms show {name}`"
    )


def test_a_write_that_runs_out_of_memory_changes_nothing(device):
    end = device.platform.region("sram2").end
    device.write(end - 4, b"\0\0\0\0")
    with pytest.raises(AccessError, match="no region holds"):
        device.write(end - 4, b"12345678")
    assert device.read(end - 4, 4) == b"\0\0\0\0"


def test_transactions_and_bytes_are_counted(device):
    base = device.platform.region("sram1").base
    before = device.transactions.total
    device.write(base, bytes(100))
    device.read(base, 40)
    device.write_register("r0", 1)
    device.read_register("r0")
    assert device.transactions.total == before + 4
    assert device.transactions.bytes_written >= 100
    assert device.transactions.bytes_read >= 40
