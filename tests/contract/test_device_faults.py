"""Every device: faults as the Armv7-M manual (DDI 0403E) has them.

CFSR, HFSR and the address registers are B3.2.15 to B3.2.18; which fault a cause leads to is table
B1-7 of B1.5.14; stacking is B1.5.6 and EXC_RETURN B1.5.8.
"""

from __future__ import annotations

import pytest
from device_programs import (
    ENABLE_FAULTS,
    TIMEOUT_S,
    Places,
    assemble,
    constant,
    offset_in_program,
    prepare_vectors,
    put,
    recover,
    start,
    take_fault,
)

from usim.errors import LockupError

HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SVCALL = 3, 4, 5, 6, 11
IACCVIOL, IBUSERR, PRECISERR, IMPRECISERR = 1 << 0, 1 << 8, 1 << 9, 1 << 10
STKERR, BFARVALID = 1 << 12, 1 << 15
UNDEFINSTR, INVSTATE = 1 << 16, 1 << 17
UNALIGNED, DIVBYZERO = 1 << 24, 1 << 25
FORCED, DEBUGEVT = 1 << 30, 1 << 31
NOWHERE = 0x3000_0000


@pytest.fixture(autouse=True)
def takes_faults(device):
    if not device.capabilities.architectural_faults:
        pytest.skip("this backend's faults are not those of the architecture")


def at(address: int) -> str:
    return constant("r0", address)


def test_a_load_from_where_nothing_is_is_a_precise_bus_fault(device):
    taken = take_fault(device, f"{at(NOWHERE + 8)}\nldr r1, [r0, #4]")
    assert taken.exception == BUS_FAULT
    assert taken.cfsr == PRECISERR | BFARVALID
    assert taken.hfsr == 0
    assert taken.bfar == NOWHERE + 12
    assert taken.frame["pc"] == offset_in_program(device, at(NOWHERE + 8))


def test_a_store_to_where_nothing_is_is_a_bus_fault(device):
    taken = take_fault(device, f"{at(NOWHERE)}\nstr r1, [r0]\ndsb")
    assert taken.exception == BUS_FAULT
    # The write buffer of a chip makes it imprecise, a device without one may do better.
    assert taken.cfsr in {IMPRECISERR, PRECISERR | BFARVALID}
    if device.capabilities.exact_store_faults:
        assert taken.bfar == NOWHERE
        assert taken.frame["pc"] == offset_in_program(device, at(NOWHERE))


@pytest.mark.parametrize("region", ["flash", "flash_itcm"])
def test_a_store_to_flash_is_a_bus_fault_and_changes_nothing(region, device):
    if not any(item.name == region and item.kind == "flash" for item in device.platform.regions):
        pytest.skip("this backend's machine has no flash")
    address = device.platform.region(region).base + 64
    before = device.read(address, 4)
    taken = take_fault(device, f"{at(address)}\nmovs r1, #0\nstr r1, [r0]\ndsb")
    assert taken.exception == BUS_FAULT
    assert device.read(address, 4) == before


@pytest.mark.parametrize("instruction", ["sdiv r3, r1, r2", "udiv r3, r1, r2", "udiv r9, r1, r2"])
def test_a_division_by_zero_is_a_usage_fault_where_it_is_enabled(instruction, device):
    before = "movs r1, #7\nmovs r2, #0"
    taken = take_fault(device, f"{before}\n{instruction}")
    assert (taken.exception, taken.cfsr) == (USAGE_FAULT, DIVBYZERO)
    assert taken.frame["pc"] == offset_in_program(device, before)
    assert taken.frame["r1"] == 7


def test_a_division_by_zero_gives_zero_where_it_is_not_enabled(device):
    places = start(device, "movs r1, #7\nmovs r2, #0\nudiv r3, r1, r2\nmovs r4, #1", setup="")
    before = offset_in_program(device, "movs r1, #7\nmovs r2, #0\nudiv r3, r1, r2", setup="")
    device.write_register("r3", 99)
    device.run_until(before, TIMEOUT_S)
    assert device.read_register("r3") == 0
    assert places.program < before


def test_a_division_that_is_right_and_one_by_zero_in_one_loop(device):
    """The same instruction divides well nine times, then faults."""
    text = "movs r1, #90\nmovs r2, #9\n1: udiv r3, r1, r2\nsubs r2, #1\nb 1b"
    taken = take_fault(device, text)
    assert (taken.exception, taken.cfsr) == (USAGE_FAULT, DIVBYZERO)
    assert taken.frame["r3"] == 90


def test_an_undefined_instruction_is_a_usage_fault(device):
    taken = take_fault(device, "nop\nudf #0")
    assert (taken.exception, taken.cfsr) == (USAGE_FAULT, UNDEFINSTR)
    assert taken.frame["pc"] == offset_in_program(device, "nop")


def test_an_undefined_instruction_behind_a_hint_is_a_usage_fault(device):
    taken = take_fault(device, "yield\nudf #0")
    assert (taken.exception, taken.cfsr) == (USAGE_FAULT, UNDEFINSTR)
    assert taken.frame["pc"] == offset_in_program(device, "yield")


@pytest.mark.parametrize("there", ["nop", "udiv r1, r1, r1", "udf #0", "ldr r0, [r0]"])
@pytest.mark.parametrize("jump", ["bx r0", "blx r0"])
def test_a_jump_to_an_even_address_is_an_invalid_state(jump, there, device):
    target = Places.on(device.platform).data
    put(device, target, f"{there}\n{there}\n1: b 1b")
    taken = take_fault(device, f"{at(target)}\n{jump}")
    assert (taken.exception, taken.cfsr) == (USAGE_FAULT, INVSTATE)
    assert taken.frame["pc"] == target
    assert not taken.frame["xpsr"] & 1 << 24  # EPSR.T as it was


def test_an_unaligned_exclusive_load_is_a_usage_fault(device):
    before = at(Places.on(device.platform).data + 1)
    taken = take_fault(device, f"{before}\nldrex r1, [r0]")
    assert (taken.exception, taken.cfsr) == (USAGE_FAULT, UNALIGNED)
    assert taken.frame["pc"] == offset_in_program(device, before)


def test_peripheral_space_cannot_be_executed(device):
    taken = take_fault(device, f"{at(0x4000_0001)}\nbx r0")
    assert (taken.exception, taken.cfsr) == (MEM_MANAGE, IACCVIOL)
    assert taken.frame["pc"] == 0x4000_0000


@pytest.mark.parametrize("target", [NOWHERE, 0x1000_0000])
def test_code_where_nothing_is_is_a_bus_fault(target, device):
    if target != NOWHERE and not device.capabilities.all_gaps_fault:
        pytest.skip("this backend's machine has gaps that do not fault")
    taken = take_fault(device, f"{at(target | 1)}\nblx r0")
    assert (taken.exception, taken.cfsr) == (BUS_FAULT, IBUSERR)
    assert taken.frame["pc"] == target
    assert taken.frame["lr"] == offset_in_program(device, f"{at(target | 1)}\nblx r0") | 1


def test_a_stack_that_overflows_is_a_stacking_error(device):
    base = device.platform.section("stack").base
    taken = take_fault(device, f"mrs r4, msp\n{at(base + 16)}\nmsr psp, r0\n{_ON_PROCESS_STACK}")
    assert taken.exception == BUS_FAULT
    assert taken.cfsr & STKERR
    assert taken.exc_return == 0xFFFF_FFFD
    assert taken.frame is None


_ON_PROCESS_STACK = "movs r0, #2\nmsr control, r0\nisb\npush {r0-r7}"


def test_a_supervisor_call_returns_behind_itself(device):
    taken = take_fault(device, "nop\nsvc #3")
    assert (taken.exception, taken.cfsr, taken.hfsr) == (SVCALL, 0, 0)
    assert taken.frame["pc"] == offset_in_program(device, "nop\nsvc #3")


def test_a_breakpoint_without_a_debugger_is_a_hard_fault(device):
    taken = take_fault(device, "nop\nbkpt #0")
    told = DEBUGEVT if device.capabilities.tells_breakpoints else FORCED
    assert (taken.exception, taken.hfsr) == (HARD_FAULT, told)
    assert taken.frame["pc"] == offset_in_program(device, "nop")


@pytest.mark.parametrize(
    ("text", "cfsr"),
    [
        (f"{at(NOWHERE)}\nldr r1, [r0]", PRECISERR | BFARVALID),
        ("udf #0", UNDEFINSTR),
        (f"{at(0x4000_0001)}\nbx r0", IACCVIOL),
    ],
)
def test_faults_that_are_not_enabled_become_hard_faults(text, cfsr, device):
    taken = take_fault(device, text, setup="")
    assert (taken.exception, taken.cfsr, taken.hfsr) == (HARD_FAULT, cfsr, FORCED)


def test_the_frame_holds_the_registers_before_the_fault(device):
    values = {f"r{i}": 0x1111 * (i + 1) for i in (1, 2, 3, 12)}
    moves = "\n".join(f"movw {name}, #{value}" for name, value in values.items())
    before = f"{moves}\n{constant('lr', 0x1234_5678)}\ncmp r1, r1"
    taken = take_fault(device, f"{before}\nudf #1")
    assert {name: taken.frame[name] for name in values} == values
    assert taken.frame["lr"] == 0x1234_5678
    assert taken.frame["xpsr"] >> 28 == 0b0110  # N and V clear, Z and C set
    assert taken.frame["xpsr"] & 1 << 24
    assert taken.exc_return == 0xFFFF_FFF9


def test_the_address_register_of_a_second_fault_is_the_second_address(device):
    """Status bits stay until software clears them; BFAR follows the last fault."""
    assert take_fault(device, f"{at(NOWHERE)}\nldr r1, [r0]").bfar == NOWHERE
    device.reset()
    taken = take_fault(device, f"{at(NOWHERE + 64)}\nldr r1, [r0]")
    assert (taken.bfar, taken.cfsr) == (NOWHERE + 64, PRECISERR | BFARVALID)


def test_status_bits_are_cleared_by_writing_ones(device):
    clear = f"{constant('r2', 0xE000_ED28)}\nldr r1, [r2]\nstr r1, [r2]\nldr r1, [r2]"
    places = prepare_vectors(device, f"{clear}\nmov r9, r1")
    start(device, "udf #0")
    put(device, places.handler, f"{clear}\nmov r9, r1\n1: b 1b")
    device.write_register("r9", 77)
    end = places.handler + len(assemble(f"{clear}\nmov r9, r1", device.platform))
    device.run_until(end, TIMEOUT_S)
    assert device.read_register("r9") == 0


def _run_with_returning_handler(device, handler: str, text: str) -> None:
    places = start(device, text)
    put(device, places.handler, handler)
    end = offset_in_program(device, text)
    device.run_until(end, TIMEOUT_S)


@pytest.mark.parametrize("misalign", ["", "sub sp, #4"])
def test_a_handler_returns_to_where_it_came_from(misalign, device):
    text = f"{misalign}\nmov r8, sp\nmovs r1, #1\nmovs r2, #2\nmovs r3, #3\nsvc #0\nmov r9, sp\nnop"
    _run_with_returning_handler(device, "movs r0, #0\nmovs r1, #0\nmovs r2, #0\nbx lr", text)
    assert [device.read_register(f"r{i}") for i in (1, 2, 3)] == [1, 2, 3]
    assert device.read_register("r8") == device.read_register("r9")
    assert device.read_register("xpsr") & 0x1FF == 0


@pytest.mark.parametrize("cause", ["ldrne r1, [r0]", "strne r1, [r0]"])
def test_a_fault_inside_an_it_block_leaves_the_handler_unconditional(cause, device):
    before = f"{at(NOWHERE)}\ncmp r0, #0\nitee ne"
    taken = take_fault(device, f"{before}\n{cause}\nmoveq r2, #1\nmoveq r2, #1\ndsb")
    assert taken.exception == BUS_FAULT
    # A store may fault late, behind the block.
    if not cause.startswith("str") or device.capabilities.exact_store_faults:
        assert taken.frame["pc"] == offset_in_program(device, before)
        assert taken.frame["xpsr"] & 0x0600_FC00 == 0x0400_1000  # ITSTATE 0x12


def test_an_it_block_goes_on_behind_a_supervisor_call_in_it(device):
    text = (
        "movs r0, #1\nmovs r6, #0\nmovs r7, #0\ncmp r0, #0\nittee ne\n"
        "svcne #0\naddne r7, #5\nmoveq r6, #9\nmoveq r7, #9\nnop"
    )
    handler = "movs r4, #4\nmovs r5, #5\nmov r8, r4\nmov r9, r5\ncmp r4, r4\nbx lr"
    _run_with_returning_handler(device, handler, text)
    assert [device.read_register(f"r{i}") for i in (4, 5, 8, 9)] == [4, 5, 4, 5]
    assert [device.read_register(f"r{i}") for i in (6, 7)] == [0, 5]


@pytest.mark.parametrize("leave", ["bx lr", "push {r4, lr}\npop {r4, pc}"])
def test_floats_survive_a_handler_that_uses_them(leave, device):
    enable = f"{constant('r0', 0xE000_ED88)}\nldr r1, [r0]\norr r1, #0xF00000\nstr r1, [r0]\nisb"
    text = f"{enable}\nvmov.f32 s0, #1.5\nvmov.f32 s20, #2.5\nsvc #0\nnop"
    _run_with_returning_handler(device, f"vmov.f32 s0, #9.0\n{leave}", text)
    assert device.read_register("s0") == 0x3FC0_0000
    assert device.read_register("s20") == 0x4020_0000


def test_a_fault_in_a_handler_becomes_a_hard_fault(device):
    places = start(device, "udf #0")
    usage = places.handler + 0x200
    put(device, usage, f"{at(NOWHERE)}\nldr r0, [r0]\n1: b 1b")
    device.write(places.vectors + 4 * USAGE_FAULT, (usage | 1).to_bytes(4, "little"))
    device.run_until(places.park, TIMEOUT_S)
    assert device.read_register("r0") == HARD_FAULT
    assert device.read_register("r3") & FORCED
    assert device.read_register("r6") == 0xFFFF_FFF1


def test_a_fault_in_the_hard_fault_handler_is_lockup(device):
    places = start(device, "bkpt #0")
    put(device, places.handler, "udf #0")
    with pytest.raises(LockupError, match="locked up at 0x") as caught:
        device.run_until(places.park, TIMEOUT_S)
    assert caught.value.pc == places.handler


def test_a_fault_without_vectors_is_lockup_and_says_where_and_why(device):
    places = Places.on(device.platform)
    put(device, places.program, f"{at(NOWHERE)}\nldr r0, [r0]")
    device.write_register("sp", places.stack_top)
    device.write_register("pc", places.program)
    with pytest.raises(LockupError) as caught:
        device.run_until(places.park, TIMEOUT_S)
    if not device.capabilities.survives_lockup:
        return  # only where it was when its machine ended
    assert caught.value.pc == places.program + 8
    assert f"{NOWHERE >> 16:#06x}_0000" in str(caught.value)


def test_after_lockup_and_reset_the_device_can_be_used(device):
    places = Places.on(device.platform)
    put(device, places.program, "udf #0")
    device.write_register("pc", places.program)
    with pytest.raises(LockupError):
        device.run_until(places.park, TIMEOUT_S)
    recover(device)
    taken = take_fault(device, "udf #0", setup=ENABLE_FAULTS)
    assert (taken.exception, taken.cfsr) == (USAGE_FAULT, UNDEFINSTR)
