"""Every device: the DWT cycle counter (DDI 0403E, C1.8), and what it counts."""

from __future__ import annotations

import pytest
from device_programs import ENABLE_FPU, TIMEOUT_S, Places, assemble, constant, put, run_program

from usim.devices import make_device

LAR_KEY = 0xC5AC_CE55
# r4: DWT. r5: DEMCR.
BASES = f"{constant('r4', 0xE000_1000)}\n{constant('r5', 0xE000_EDFC)}"
TRACE = "mov r0, #0x1000000\nstr r0, [r5]"
UNLOCK = f"{constant('r0', LAR_KEY)}\nmovw r1, #0xFB0\nstr r0, [r4, r1]"
ENABLE = "ldr r0, [r4]\norr r0, #1\nstr r0, [r4]"
READY = f"{BASES}\n{TRACE}\n{UNLOCK}\n{ENABLE}"
READ_TWICE = "ldr r6, [r4, #4]\nnop\nnop\nldr r7, [r4, #4]"


@pytest.fixture
def counting(device):
    if device.capabilities.count.unit == "none":
        pytest.skip("this backend counts nothing")
    if not device.capabilities.exact_counter:
        pytest.skip("this backend's counter is not exact")
    return device


@pytest.fixture
def dwt(counting):
    """A device that counts with CYCCNT."""
    if counting.capabilities.counter is not None:
        pytest.skip("this backend has no CYCCNT, but counts with another register")
    return counting


@pytest.fixture
def exact(counting):
    """A device whose CYCCNT counts instructions."""
    if counting.capabilities.count.unit != "instructions":
        pytest.skip("this backend does not count instructions")
    return counting


def counted(device) -> int:
    ticks = device.read_register("r7") - device.read_register("r6")
    counter = device.capabilities.counter
    return ticks if counter is None else counter.count(ticks & 0xFFFF_FFFF)


def ready(device) -> str:
    """The FPU on, r4 pointing 4 bytes before what counts, and that counting."""
    counter = device.capabilities.counter
    bring_up = READY if counter is None else constant("r4", counter.address - 4)
    return f"{ENABLE_FPU}\n{bring_up}"


def between_reads(device, text: str) -> int:
    """CYCCNT after minus before `text`."""
    run_program(device, f"{ready(device)}\nldr r6, [r4, #4]\n{text}\nldr r7, [r4, #4]")
    return counted(device)


def test_it_counts_once_it_is_traced_unlocked_and_enabled(dwt):
    run_program(dwt, f"{READY}\n{READ_TWICE}")
    assert counted(dwt) > 0


@pytest.mark.parametrize(
    "missing",
    [
        f"{BASES}\n{UNLOCK}\n{ENABLE}",
        f"{BASES}\n{TRACE}\n{ENABLE}",
        f"{BASES}\n{TRACE}\n{UNLOCK}",
    ],
    ids=["not traced", "locked", "not enabled"],
)
def test_it_stands_still_until_then(missing, dwt):
    run_program(dwt, f"{missing}\n{READ_TWICE}")
    assert counted(dwt) == 0


def test_a_wrong_key_leaves_it_locked(dwt):
    wrong = UNLOCK.replace(str(LAR_KEY & 0xFFFF), str(LAR_KEY & 0xFFFF ^ 1))
    assert wrong != UNLOCK
    run_program(dwt, f"{BASES}\n{TRACE}\n{wrong}\n{ENABLE}\n{READ_TWICE}")
    assert counted(dwt) == 0


def test_the_lock_status_tells(dwt):
    run_program(
        dwt, f"{BASES}\n{TRACE}\nmovw r2, #0xFB4\nldr r6, [r4, r2]\n{UNLOCK}\nldr r7, [r4, r2]"
    )
    assert dwt.read_register("r6") & 0b11 == 0b11
    assert dwt.read_register("r7") & 0b11 == 0b01


def test_reset_locks_and_stops_it_again(dwt):
    run_program(dwt, f"{READY}\n{READ_TWICE}")
    dwt.reset()
    run_program(dwt, f"{BASES}\n{READ_TWICE}")
    assert counted(dwt) == 0


def test_switched_off_it_keeps_its_value(dwt):
    run_program(dwt, f"{READY}\nnop\nmovs r0, #0\nstr r0, [r4]\n{READ_TWICE}")
    assert counted(dwt) == 0
    assert dwt.read_register("r6") > 0


def test_software_can_set_it(dwt):
    run_program(dwt, f"{READY}\n{constant('r0', 100_000)}\nstr r0, [r4, #4]\nldr r6, [r4, #4]")
    assert 100_000 < dwt.read_register("r6") < 100_100


def test_it_wraps_at_32_bits(dwt):
    run_program(dwt, f"{READY}\nmvn r0, #0\nstr r0, [r4, #4]\nnop\nnop\nldr r6, [r4, #4]")
    assert dwt.read_register("r6") < 100


@pytest.mark.parametrize(
    ("text", "instructions"),
    [
        ("", 1),
        ("nop", 2),
        ("nop\nnop\nnop", 4),
        ("add.w r0, r0, #1\nnop", 3),
        ("ldr r0, [sp]\nldr r0, [sp]", 3),
        ("b 1f\nnop\n1: nop", 3),
        ("movs r0, #5\n1: subs r0, #1\nbne 1b", 12),
        ("cmp r0, r0\nite eq\nmoveq r1, #1\nmovne r1, #2", 5),
        ("cbz r4, 1f\nnop\n1: nop", 4),
        ("movs r1, #6\nmovs r2, #3\nudiv r0, r1, r2\nudiv r0, r1, r2", 5),
        ("vmov.f32 s0, #1.0\nvadd.f32 s0, s0, s0", 3),
        ("bl 1f\nb 2f\n1: bx lr\n2:", 4),
    ],
)
def test_instructions_between_two_reads_are_counted_exactly(text, instructions, exact):
    exact.write_register("sp", Places.on(exact.platform).data)
    assert between_reads(exact, text) == instructions


def test_a_long_loop_is_counted_exactly(exact):
    """Longer than one slice of the emulation, so that the seams between slices are in it."""
    iterations = 15_000_000
    loop = f"{constant('r0', iterations)}\n1: nop\nsubs r0, #1\nbne 1b"
    assert between_reads(exact, loop) == 1 + 2 + 3 * iterations


def test_a_stop_in_the_middle_of_a_block_counts_nothing_twice(exact):
    if exact.capabilities.counter is not None:
        pytest.skip("this backend's counter loses instructions when the host stops the core")
    places = Places.on(exact.platform)
    text = f"{ready(exact)}\nldr r6, [r4, #4]\nnop\nnop\nnop\nnop\nldr r7, [r4, #4]"
    end = put(exact, places.program, text)
    put(exact, end, "nop")
    before = f"{ready(exact)}\nldr r6, [r4, #4]\nnop\nnop"
    middle = places.program + len(assemble(before, exact.platform))
    exact.write_register("pc", places.program)
    exact.run_until(middle, TIMEOUT_S)
    exact.run_until(end, TIMEOUT_S)
    assert counted(exact) == 5


def test_the_second_run_counts_what_the_first_did(counting):
    text = "movs r0, #50\n1: subs r0, #1\nbne 1b"
    assert between_reads(counting, text) == between_reads(counting, text)


def test_a_fresh_device_counts_the_same(counting, backend):
    text = "movs r0, #50\n1: ldr r1, [sp]\nmul r2, r0, r0\nsubs r0, #1\nbne 1b"
    counting.write_register("sp", Places.on(counting.platform).data)
    first = between_reads(counting, text)
    fresh = make_device(backend, counting.platform)
    fresh.open()
    try:
        fresh.write_register("sp", Places.on(fresh.platform).data)
        assert between_reads(fresh, text) == first
    finally:
        fresh.close()


def test_code_that_the_host_replaced_is_counted_anew(exact):
    """At the same address and of the same length, with another number of instructions."""
    assert between_reads(exact, "nop\nnop\nnop\nnop") == 5
    assert between_reads(exact, "add.w r0, r0, #1\nadd.w r0, r0, #1") == 3
    assert between_reads(exact, "nop\nnop\nadd.w r0, r0, #1") == 4
