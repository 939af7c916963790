"""Every device: registers, running to an address, time-outs, and code that the host replaces."""

from __future__ import annotations

import pytest
from device_programs import ENABLE_FPU, TIMEOUT_S, Places, assemble, constant, put, run_program

from usim.errors import DeviceTimeoutError

CORE_REGISTERS = [f"r{i}" for i in range(13)]


@pytest.mark.parametrize("name", [*CORE_REGISTERS, "lr", "s0", "s15", "s31"])
def test_registers_hold_what_is_written(name, device):
    for value in (0, 1, 0x8000_0000, 0xDEAD_BEEF, 0xFFFF_FFFF):
        device.write_register(name, value)
        assert device.read_register(name) == value


def test_register_names_have_their_aliases(device):
    for number, name in ((13, "sp"), (14, "lr")):
        device.write_register(name, 0x2001_0040)
        assert device.read_register(f"r{number}") == 0x2001_0040


def test_the_two_stack_pointers_are_registers_of_their_own(device):
    device.reset()
    device.write_register("msp", 0x2001_0100)
    device.write_register("psp", 0x2001_0200)
    assert device.read_register("sp") == 0x2001_0100  # reset selects the main stack
    assert device.read_register("psp") == 0x2001_0200
    # CONTROL.SPSEL (DDI 0403E, B1.4.4)
    run_program(
        device, "movs r0, #2\nmsr control, r0\nisb\nmov r1, sp\nmrs r2, msp\nmrs r3, control"
    )
    assert [device.read_register(name) for name in ("r1", "r2")] == [0x2001_0200, 0x2001_0100]
    assert device.read_register("r3") & 3 == 2
    assert device.read_register("control") & 3 == 2
    assert device.read_register("sp") == 0x2001_0200
    device.reset()
    assert device.read_register("control") & 3 == 0


def test_the_flags_are_in_xpsr(device):
    run_program(device, "movs r0, #0\ncmp r0, #1")
    assert device.read_register("xpsr") >> 28 == 0b1000  # N; no Z, C or V
    run_program(device, "movs r0, #1\ncmp r0, #1")
    assert device.read_register("xpsr") >> 28 == 0b0110  # Z and C


def test_programs_see_the_registers_that_the_host_wrote(device):
    device.write_register("r1", 40)
    device.write_register("s2", 0x3FC0_0000)  # 1.5
    run_program(device, f"{ENABLE_FPU}\nadds r0, r1, #2\nvadd.f32 s3, s2, s2")
    assert device.read_register("r0") == 42
    assert device.read_register("s3") == 0x4040_0000  # 3.0


def test_it_stops_before_the_address(device):
    places = Places.on(device.platform)
    put(device, places.program, "movs r0, #1\nmovs r0, #2\nmovs r0, #3")
    device.write_register("pc", places.program)
    device.run_until(places.program + 4, TIMEOUT_S)
    assert device.read_register("r0") == 2
    assert device.read_register("pc") == places.program + 4


def test_it_stops_in_the_middle_of_a_block_it_has_run_before(device):
    places = Places.on(device.platform)
    put(device, places.program, "adds r0, #1\nadds r0, #1\nadds r0, #1\nadds r0, #1\nb .")
    device.write_register("r0", 0)
    device.write_register("pc", places.program)
    device.run_until(places.program + 8, TIMEOUT_S)
    assert device.read_register("r0") == 4
    device.write_register("pc", places.program)
    device.run_until(places.program + 2, TIMEOUT_S)
    assert device.read_register("r0") == 5
    device.run_until(places.program + 8, TIMEOUT_S)
    assert device.read_register("r0") == 8


def test_at_the_address_already_it_runs_nothing(device):
    places = Places.on(device.platform)
    put(device, places.program, "adds r0, #1\nadds r0, #1")
    device.write_register("r0", 0)
    device.write_register("pc", places.program)
    device.run_until(places.program, TIMEOUT_S)
    assert device.read_register("r0") == 0
    device.run_until(places.program + 2, TIMEOUT_S)
    device.run_until(places.program + 2, TIMEOUT_S)
    assert device.read_register("r0") == 1


def test_the_thumb_bit_of_the_address_does_not_matter(device):
    places = Places.on(device.platform)
    put(device, places.program, "movs r0, #1\nmovs r0, #2")
    device.write_register("pc", places.program | 1)
    device.run_until(places.program + 2 | 1, TIMEOUT_S)
    assert device.read_register("r0") == 1


def test_a_loop_of_many_iterations_ends_where_it_should(device):
    run_program(
        device, f"{constant('r1', 3_000_000)}\nmovs r0, #0\n1: adds r0, #1\nsubs r1, #1\nbne 1b"
    )
    assert device.read_register("r0") == 3_000_000


def test_an_endless_loop_times_out_and_says_where(device):
    places = Places.on(device.platform)
    put(device, places.program, "nop\n1: b 1b")
    device.write_register("pc", places.program)
    with pytest.raises(DeviceTimeoutError) as caught:
        device.run_until(places.park, 0.2)
    assert caught.value.pc == places.program + 2
    assert "0x2001_1800 was not reached within 0.2 s" in str(caught.value).replace(
        "0x2002_1800", "0x2001_1800"
    )


def test_after_a_timeout_the_device_can_be_used(device):
    places = Places.on(device.platform)
    put(device, places.program, "1: b 1b")
    device.write_register("pc", places.program)
    with pytest.raises(DeviceTimeoutError):
        device.run_until(places.park, 0.2)
    run_program(device, "movs r0, #9")
    assert device.read_register("r0") == 9


def test_a_sleep_that_nothing_ends_is_a_timeout_that_says_so(device):
    places = Places.on(device.platform)
    put(device, places.program, "nop\nwfi\n1: b 1b")
    device.write_register("pc", places.program)
    with pytest.raises(DeviceTimeoutError, match=r"asleep|was not reached"):
        device.run_until(places.park, 0.5)


def test_hints_and_barriers_are_no_events(device):
    # Without the event that SEV remembers, WFE would wait for one, as the chip does.
    run_program(device, "movs r0, #0\nnop\nyield\nsev\nwfe\nyield.w\ndsb\nisb\ndmb\nmovs r0, #6")
    assert device.read_register("r0") == 6


def test_an_endless_loop_of_hints_times_out(device):
    places = Places.on(device.platform)
    put(device, places.program, "1: yield\nb 1b")
    device.write_register("pc", places.program)
    with pytest.raises(DeviceTimeoutError):
        device.run_until(places.park, 0.2)


def test_code_that_the_host_replaces_is_really_replaced(device):
    for value in (1, 2, 3):
        run_program(device, f"movs r0, #{value}")
        assert device.read_register("r0") == value


def test_code_in_flash_that_is_replaced_at_its_other_address_is_really_replaced(device):
    if not device.capabilities.writes_flash:
        pytest.skip("this backend does not write flash")
    flash, alias = device.platform.region("flash"), device.platform.region("flash_itcm")
    for value in (1, 2):
        device.write(flash.base, assemble(f"movs r0, #{value}\nnop", device.platform))
        device.write_register("pc", alias.base)
        device.run_until(alias.base + 2, TIMEOUT_S)
        assert device.read_register("r0") == value


def test_code_runs_from_every_memory(device):
    for region in device.platform.regions:
        name, base = region.name, region.base + 0x100
        device.write(base, assemble("movs r0, #77\nnop", device.platform))
        device.write_register("r0", 0)
        device.write_register("pc", base)
        device.run_until(base + 2, TIMEOUT_S)
        assert device.read_register("r0") == 77, name
