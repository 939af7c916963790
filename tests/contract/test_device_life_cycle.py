"""Every device: constructed, opened, used, closed, in every order that a user may try."""

from __future__ import annotations

import pytest
from device_programs import TIMEOUT_S, Places, constant, put, recover, run_program, take_fault

from usim.devices import make_device
from usim.errors import DeviceError

USES = {
    "read": lambda device: device.read(0x2000_0000, 4),
    "write": lambda device: device.write(0x2000_0000, b"1234"),
    "read_register": lambda device: device.read_register("r0"),
    "write_register": lambda device: device.write_register("r0", 1),
    "reset": lambda device: device.reset(),
    "run_until": lambda device: device.run_until(0x2000_0000, 1.0),
}


@pytest.mark.parametrize("use", USES)
def test_use_before_open_says_to_open(use, backend, platform):
    with pytest.raises(DeviceError, match="open"):
        USES[use](make_device(backend, platform))


@pytest.mark.parametrize("use", USES)
def test_use_after_close_says_to_open(use, device):
    device.close()
    with pytest.raises(DeviceError, match="open"):
        USES[use](device)


def test_close_twice_and_without_open_is_fine(backend, platform):
    device = make_device(backend, platform)
    device.close()
    device.open()
    device.close()
    device.close()


def test_opened_twice_it_works(device):
    device.open()
    device.write(0x2000_0000, b"abcd")
    assert device.read(0x2000_0000, 4) == b"abcd"


def test_closed_and_opened_again_it_works(device):
    device.close()
    device.open()
    run_program(device, "movs r0, #7")
    assert device.read_register("r0") == 7


def test_two_devices_do_not_share_memory_registers_or_counts(backend, platform):
    first, second = make_device(backend, platform), make_device(backend, platform)
    first.open()
    second.open()
    try:
        first.write(0x2000_0000, b"one!")
        second.write(0x2000_0000, b"two!")
        run_program(first, "movs r0, #1")
        run_program(second, "movs r0, #2\nnop\nnop")
        assert first.read_register("r0") == 1
        assert second.read_register("r0") == 2
        assert first.read(0x2000_0000, 4) == b"one!"
        second.close()
        assert first.read(0x2000_0000, 4) == b"one!"
        run_program(first, "movs r0, #3")
        assert first.read_register("r0") == 3
    finally:
        first.close()
        second.close()


def test_reset_keeps_memory_and_clears_registers(device):
    places = run_program(device, "movs r0, #1\nmovs r7, #9")
    device.write(places.data, b"kept")
    device.reset()
    assert device.read(places.data, 4) == b"kept"
    assert [device.read_register(f"r{i}") for i in range(13)] == [0] * 13
    assert device.read_register("control") == 0


def test_reset_leaves_a_handler(device):
    """After a fault the core runs ordinary code again."""
    if not device.capabilities.architectural_faults:
        pytest.skip("this backend's faults are not those of the architecture")
    places = Places.on(device.platform)
    device.write_register("xpsr", 0)
    put(device, places.program, f"{constant('r0', 0x3000_0000)}\nldr r0, [r0]")
    device.write_register("pc", places.program)
    with pytest.raises(DeviceError):
        device.run_until(places.park, TIMEOUT_S)
    recover(device)
    run_program(device, "mrs r1, ipsr\nmovs r0, #5")
    assert (device.read_register("r0"), device.read_register("r1")) == (5, 0)


def test_reset_leaves_a_handler_that_took_a_fault(device):
    assert take_fault(device, "udf #0").exception == 6
    device.reset()
    run_program(device, "mrs r1, ipsr\nmovs r0, #5")
    assert (device.read_register("r0"), device.read_register("r1")) == (5, 0)


def test_unknown_register_is_named_with_the_known_ones(device):
    with pytest.raises(DeviceError, match=r"no register 'r16'.*r0"):
        device.read_register("r16")


def test_unknown_backend_is_named_with_the_known_ones(platform):
    with pytest.raises(DeviceError, match="no backend 'jtag'; there are: embedded"):
        make_device("jtag", platform)
